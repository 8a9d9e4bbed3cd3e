import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { identityOf, listQemu, recordedPids } from "../../../../executors/vm/qemu/processes.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ferrite-proc-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A line of /proc/PID/stat as Linux 6.1 prints it; field 20 is the number of threads, field 22 the start. */
const stat = (pid: number, name: string, state: string, threads: number) =>
  `${pid} (${name}) ${state} 1 ${pid} ${pid} 0 -1 138412416 9 0 0 0 5 1 0 0 20 0 ${threads} 0 4711 0 0 18446744073709551615 0 0\n`;

function process(pid: number, name: string, argv: readonly string[], state = "S", threads = 3): void {
  mkdirSync(join(root, `${pid}`), { recursive: true });
  writeFileSync(join(root, `${pid}/stat`), stat(pid, name, state, threads));
  writeFileSync(join(root, `${pid}/cmdline`), argv.map((word) => `${word}\0`).join(""));
}

describe("listQemu", () => {
  it("finds QEMU among the processes, whatever they are called", async () => {
    process(10, "qemu-system-x86", ["qemu-system-x86_64", "-uuid", "u"]);
    process(11, "bash", ["bash", "-c", "qemu-system-x86_64 -uuid u"]);
    process(12, "a) S 1 (qemu", ["x"]);
    expect(await listQemu(root)).toEqual([
      { pid: 10, startTicks: "4711", dying: false, argv: ["qemu-system-x86_64", "-uuid", "u"] },
    ]);
  });

  it("tells one that has ended from one whose threads the kernel still holds", async () => {
    process(10, "qemu-system-x86", [], "Z", 1);
    process(11, "qemu-system-x86", [], "Z", 2);
    process(12, "qemu-system-x86", [], "D", 1);
    expect((await listQemu(root)).map(({ pid, dying }) => [pid, dying])).toEqual([
      [11, true],
      [12, true],
    ]);
  });

  it("leaves out one that ends meanwhile", async () => {
    mkdirSync(join(root, "13"));
    expect(await listQemu(root)).toEqual([]);
  });

  it("throws when the machine cannot be read, instead of finding nothing", async () => {
    await expect(listQemu(join(root, "nothing"))).rejects.toThrow(/ENOENT/);
    mkdirSync(join(root, "14/stat"), { recursive: true });
    await expect(listQemu(root)).rejects.toThrow(/EISDIR/);
  });
});

describe("recordedPids", () => {
  it("knows whose pid it was", async () => {
    mkdirSync(join(root, "uid-1"));
    mkdirSync(join(root, "uid-2"));
    writeFileSync(join(root, "uid-1/pid"), "77\n");
    expect([...(await recordedPids(root))]).toEqual([[77, "uid-1"]]);
  });

  it("is empty on a machine that never had a guest", async () => {
    expect([...(await recordedPids(join(root, "nothing")))]).toEqual([]);
  });
});

test.each([
  { argv: ["-name", "guest=a,debug-threads=on"], name: "a" },
  { argv: ["-name", "b"], name: "b" },
  { argv: ["--name", "c", "-qmp", "unix:/tmp/q,server=on"], name: "c", monitor: "/tmp/q" },
  { argv: ["-qmp", "tcp:localhost:4444"] },
])("identityOf reads $argv", ({ argv, name, monitor }) => {
  expect(identityOf(argv)).toEqual({ uuid: undefined, name, monitor });
});
