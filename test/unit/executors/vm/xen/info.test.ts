import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import type { Executor } from "../../../../../executors/command/types.ts";
import { isControlDomain, mountXenfs, parseInfo } from "../../../../../executors/vm/xen/info.ts";

const INFO = (JSON.parse(readFileSync("test/fixtures/xen/4.17.7/info.json", "utf8")) as { stdout: string }).stdout;
const signal = new AbortController().signal;

describe("parseInfo", () => {
  it("reads the machine's memory, not the first domain's", () => {
    expect(parseInfo(INFO)).toEqual({ totalBytes: 895 * 2 ** 20, freeBytes: 371 * 2 ** 20, hvm: true });
  });

  it("sees a processor without virtualisation", () => {
    expect(parseInfo(INFO.replace(/^virt_caps.*$/m, "virt_caps              : pv")).hvm).toBe(false);
  });

  test.each([
    [INFO.replace(/^free_memory.*$/m, ""), /does not tell free_memory/],
    [INFO.replace(/^(total_memory +: ).*$/m, "$1lots"), /total_memory is "lots"/],
    ["", /does not tell total_memory/],
  ])("is an error when it cannot be read", (text, message) => {
    expect(() => parseInfo(text)).toThrow(message);
  });
});

const machine = (files: Readonly<Record<string, string>>) => {
  const commands: string[] = [];
  const exec: Executor = {
    read: (path) => Promise.resolve(files[path]),
    realPath: (path) => Promise.resolve(path),
    write: () => Promise.reject(new Error("only looks")),
    run: ({ argv }) => {
      commands.push(argv.join(" "));
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    },
  };
  return { exec, commands };
};
const TYPE = "/sys/hypervisor/type";
const CAPABILITIES = "/proc/xen/capabilities";

test.each([
  ["bare metal", {}, false],
  ["another hypervisor's guest", { [TYPE]: "kvm\n" }, false],
  ["a guest of Xen", { [TYPE]: "xen\n", [CAPABILITIES]: "" }, false],
  ["Xen's first domain", { [TYPE]: "xen\n", [CAPABILITIES]: "control_d\n" }, true],
])("isControlDomain: %s", async (_, files, answer) => {
  expect(await isControlDomain(machine(files).exec, signal)).toBe(answer);
});

it("mounts xenfs only where Xen runs and nobody has done it", async () => {
  const [bare, mounted, early] = [{}, { [TYPE]: "xen", [CAPABILITIES]: "" }, { [TYPE]: "xen" }].map(machine);
  for (const each of [bare, mounted, early]) await mountXenfs(each!.exec, signal);
  expect([bare, mounted, early].map((each) => each!.commands)).toEqual([[], [], ["mount -t xenfs xenfs /proc/xen"]]);
});
