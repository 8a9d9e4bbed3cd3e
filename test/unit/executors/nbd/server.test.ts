import { describe, expect, it, test } from "vitest";
import type { Plan } from "../../../../executors/driver.ts";
import type { Session } from "../../../../executors/nbd/report.ts";
import type { DesiredExport } from "../../../../executors/export-server.ts";
import { type ObservedServer, planExport, planWithdrawal } from "../../../../executors/nbd/server.ts";

const clients = (...addresses: string[]) => addresses.map((address) => ({ address, readOnly: false }));
const desired: DesiredExport = {
  key: "m1",
  target: "vm",
  identity: "00000000-0000-0000-0000-000000000001",
  side: 0,
  device: "/dev/drbd1000",
  readOnly: false,
  clients: clients("192.0.2.7", "198.51.100.0/24"),
  listenAddress: "192.0.2.1",
};

const observed = (over: Partial<ObservedServer> = {}): ObservedServer => ({
  listener: "none",
  uptimeSeconds: 1,
  exports: [],
  sessions: [],
  config: undefined,
  exportConfig: undefined,
  allowList: undefined,
  ...over,
});
const session = (over: Partial<Session> = {}): Session => ({
  key: "m1",
  pid: 7,
  address: "192.0.2.7",
  port: 5000,
  mode: "rw",
  sinceSeconds: 0,
  ...over,
});

const steps = (plan: Plan) => (plan.kind === "steps" ? plan.steps : []);
/** Files by path and the tool's verbs, in order. */
const acts = (plan: Plan): string[] =>
  steps(plan).map(({ effect }) => (effect.kind === "write" ? effect.path : effect.argv.slice(2).join(" ")));

/** What is there after a plan was carried out. */
function after(plan: Plan): ObservedServer {
  const files = new Map(
    steps(plan).flatMap(({ effect }) => (effect.kind === "write" ? [[effect.path, effect.content] as const] : [])),
  );
  return observed({
    listener: "current",
    exports: ["m1"],
    config: files.get("/run/ferrite/nbd/config"),
    exportConfig: files.get("/run/ferrite/nbd/conf.d/m1.conf"),
    allowList: files.get("/run/ferrite/nbd/m1.allow"),
  });
}
const served = after(planExport(desired, observed()));

describe("planExport", () => {
  it("writes the list of clients before anything listens", () => {
    expect(acts(planExport(desired, observed()))).toEqual([
      "/run/ferrite/nbd/m1.allow",
      "/run/ferrite/nbd/config",
      "/run/ferrite/nbd/conf.d/m1.conf",
      "serve",
    ]);
  });

  it("has nothing left to do after it was carried out", () => {
    expect(acts(planExport(desired, served))).toEqual([]);
  });

  it("always writes through", () => {
    expect(served.exportConfig).toMatch(/^sync = true$/m);
    expect(served.exportConfig).toMatch(/^prerun = .* admit m1 \$PPID/m);
  });

  test.each([
    { name: "starts what does not run", listener: "none" as const },
    { name: "starts anew what runs with another configuration", listener: "outdated" as const },
  ])("$name", ({ listener }) => {
    expect(acts(planExport(desired, { ...served, listener }))).toEqual(["serve"]);
  });

  it("takes a client off the list first and cuts it then, without touching the listener", () => {
    const removed = { ...desired, clients: clients("198.51.100.0/24") };
    const sessions = [session(), session({ pid: 8, address: "198.51.100.9" }), session({ pid: 9, key: "other" })];
    expect(acts(planExport(removed, { ...served, sessions }))).toEqual(["/run/ferrite/nbd/m1.allow", "cut m1 7"]);
  });

  it("lets nobody in when the list is empty", () => {
    const plan = planExport({ ...desired, clients: [] }, { ...served, sessions: [session()] });
    expect(acts(plan)).toEqual(["/run/ferrite/nbd/m1.allow", "cut m1 7"]);
    expect(steps(plan)[0]?.effect).toMatchObject({ content: "" });
  });

  it("cuts writers when the export becomes read-only", () => {
    const plan = planExport({ ...desired, readOnly: true }, { ...served, sessions: [session()] });
    expect(acts(plan)).toEqual(["/run/ferrite/nbd/conf.d/m1.conf", "serve", "cut m1 7"]);
  });
});

describe("planWithdrawal", () => {
  it("takes one step, for somebody waits for the device", () => {
    expect(acts(planWithdrawal("m1", { ...served, sessions: [session()] }))).toEqual(["end m1"]);
  });

  test.each([
    { name: "a session is left", rest: observed({ sessions: [session()] }) },
    { name: "the list of clients is left", rest: observed({ allowList: "" }) },
  ])("goes on after a crash while $name", ({ rest }) => {
    expect(acts(planWithdrawal("m1", rest))).toEqual(["end m1"]);
  });

  it("does nothing where nothing is left, whatever others have", () => {
    const others = observed({ exports: ["other"], sessions: [session({ key: "other" })], listener: "current" });
    expect(acts(planWithdrawal("m1", others))).toEqual([]);
  });
});
