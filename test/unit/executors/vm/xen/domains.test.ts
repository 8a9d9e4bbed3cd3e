import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import type { Instance } from "../../../../../executors/vm/guest.ts";
import { inspectionOf, instanceOf, parseDomains } from "../../../../../executors/vm/xen/domains.ts";

const UUID = "5eed0000-0000-4000-8000-000000000001";
const HEADING = recorded("list-none").split("\n")[0];
const line = (flags: string, { name = "web", time = "12.3" } = {}) =>
  `${name.padEnd(40)} ${"7".padStart(5)} ${"112".padStart(5)} ${"1".padStart(5)}     ${flags}  ${time.padStart(8)} ${UUID}        -                -`;
const listed = (...lines: string[]) => parseDomains([HEADING, ...lines, ""].join("\n"));

function recorded(name: string): string {
  const { stdout } = JSON.parse(readFileSync(`test/fixtures/xen/4.17.7/${name}.json`, "utf8")) as { stdout: string };
  return stdout;
}

describe("parseDomains", () => {
  it("leaves out the first domain, which is no guest", () => {
    expect(recorded("list-none")).toContain("Domain-0");
    expect(parseDomains(recorded("list-none"))).toEqual([]);
  });

  test.each([
    ["prepared", { cpuSeconds: 0, isPaused: true, ended: undefined }],
    ["running", { cpuSeconds: 1.3, isPaused: false, ended: undefined }],
    ["paused", { cpuSeconds: 2, isPaused: true, ended: undefined }],
    ["shut-down", { cpuSeconds: 2.7, isPaused: false, ended: "poweroff" }],
  ])("reads a guest that is %s", (state, facts) => {
    const memoryBytes = 112 * 2 ** 20;
    const guest = { domid: 4, name: "default.web", uuid: UUID, memoryBytes, isDying: false, ...facts };
    expect(parseDomains(recorded(`list-${state}`))).toEqual([guest]);
  });

  it("reads names with blanks in them, and none", () => {
    expect(listed(line("-b----", { name: "my old guest" }), line("-----d", { name: "(null)" }))).toMatchObject([
      { domid: 7, name: "my old guest", uuid: UUID, memoryBytes: 112 * 2 ** 20, cpuSeconds: 12.3 },
      { domid: 7, name: undefined, isDying: true },
    ]);
  });

  test.each(["", "xl: error\n", "Name ID\n"])("is no empty list when there is no heading: %j", (text) => {
    expect(() => parseDomains(text)).toThrow(/does not begin with its heading/);
  });

  it("throws on a line that it cannot read, whatever stands before it", () => {
    expect(() => listed(line("-b----"), "half a li")).toThrow(/cannot read the line "half a li"/);
  });
});

test.each([
  ["r-----", { state: "running" }],
  ["-b----", { state: "running" }],
  ["------", { state: "running" }],
  ["--p---", { state: "paused", detail: "xl pause" }],
  ["---s--", { state: "shuttingDown", detail: "poweroff" }],
  ["---sr-", { state: "shuttingDown", detail: "reboot" }],
  ["---s?-", { state: "shuttingDown", detail: "other" }],
  ["---sc-", { state: "crashed", detail: "crash" }],
  ["---sw-", { state: "crashed", detail: "watchdog" }],
  ["---ss-", { state: "paused", detail: "suspended, by xl save or migrate" }],
  ["---s-d", { state: "dying" }],
])("a guest with the flags %s: %j", (flags, inspection) => {
  const [domain] = listed(line(flags));
  expect(inspectionOf(domain!, { made: 7, ours: true })).toMatchObject(inspection);
});

describe("a paused domain that has not run", () => {
  const [domain] = listed(line("--p---", { time: "0.0" }));
  test.each([
    ["is ready to run when it was made whole", { made: 7, ours: true }, "prepared"],
    ["is what a crash has left when it was not", { made: undefined, ours: true }, "crashed"],
    ["is what a crash has left when another one was", { made: 6, ours: true }, "crashed"],
    ["is its owner's when it is not ours", { made: undefined, ours: false }, "paused"],
  ])("%s", (_, facts, state) => {
    expect(inspectionOf(domain!, facts).state).toBe(state);
  });
});

it("tells a guest from its earlier self by the domain's number", () => {
  const [domain] = listed(line("-b----"));
  expect(instanceOf(domain!)).toEqual({ uid: UUID, name: "web", id: `7/${UUID}` } satisfies Instance);
});
