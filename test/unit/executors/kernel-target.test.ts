import { describe, expect, it, test } from "vitest";
import type { Command, Executor } from "../../../executors/command/types.ts";
import type { Plan } from "../../../executors/driver.ts";
import type { DesiredExport, ExportServer } from "../../../executors/export-server.ts";
import { iscsiServer } from "../../../executors/iscsi/target.ts";
import { nvmeServer } from "../../../executors/nvmet/target.ts";

const desired: DesiredExport = {
  key: "m1",
  target: "iqn.2024-01.dev.ferrite:export.m1",
  identity: "8a9f0d48-6d1a-407d-9eca-07b90d17d289",
  device: "/dev/drbd1000",
  readOnly: false,
  clients: [
    { address: "192.0.2.8", iqn: "iqn.2024-01.dev.ferrite:host.h2", nqn: "nqn.h2", readOnly: true },
    { address: "192.0.2.7", iqn: "iqn.2024-01.dev.ferrite:host.h1", nqn: "nqn.h1", readOnly: false },
  ],
  listenAddress: "192.0.2.1",
  side: 1,
};
const words = ["iqn.2024-01.dev.ferrite:host.h1=rw", "iqn.2024-01.dev.ferrite:host.h2=ro"];
/** As `iscsi-target list` printed it in a lab, with other names. */
const report = {
  key: "m1",
  target: desired.target,
  serving: true,
  readOnly: false,
  device: "/dev/drbd1000",
  identity: desired.identity,
  address: "192.0.2.1",
  port: 3260,
  fingerprint: "",
  clients: words,
  sessions: [{ address: "192.0.2.7", port: 0, client: "iqn.2024-01.dev.ferrite:host.h1" }],
};

const observe = (server: ExportServer, exports: readonly unknown[]) => {
  const exec: Executor = {
    run: () => Promise.resolve({ exitCode: 0, stdout: JSON.stringify({ exports }), stderr: "" }),
    write: () => Promise.reject(new Error("nothing is written")),
    read: () => Promise.resolve(undefined),
    realPath: (path) => Promise.resolve(path),
  };
  return server.observe("m1", exec, new AbortController().signal);
};
const commands = (plan: Plan): Command[] =>
  plan.kind === "steps" ? plan.steps.flatMap(({ effect }) => (effect.kind === "run" ? [effect] : [])) : [];
const verbs = (plan: Plan) => commands(plan).map(({ argv }) => argv.slice(2).join(" "));

describe("an export that the kernel serves", () => {
  it("needs nothing when it is as desired, in whichever order the clients stand", async () => {
    expect(verbs((await observe(iscsiServer, [report])).plan(desired))).toEqual([]);
  });

  test.each([
    { name: "is cut short", over: { serving: false } },
    { name: "has another device", over: { device: "/dev/drbd1001" } },
    { name: "has another identity", over: { identity: "else" } },
    { name: "lets in who is not on the list", over: { clients: [...words, "iqn.else=rw"] } },
    { name: "lets a reader write", over: { clients: words.map((word) => word.replace("=ro", "=rw")) } },
    { name: "asks for another secret", over: { fingerprint: "0011" } },
    { name: "listens elsewhere", over: { address: "192.0.2.2" } },
  ])("is set up again when it $name", async ({ over }) => {
    const plan = (await observe(iscsiServer, [{ ...report, ...over }])).plan(desired);
    const [serve = ""] = verbs(plan);
    expect(serve).toMatch(/^serve m1 iqn\S+ \/dev\/drbd1000 8a9f0d48\S+ 192\.0\.2\.1 rw /);
  });

  it("never shows a secret in the arguments of a program", async () => {
    const secret = { username: "user", password: "very secret" };
    const [command] = commands((await observe(iscsiServer, [])).plan({ ...desired, secret }));
    expect(command?.argv.join(" ")).not.toContain("secret");
    expect(command?.stdin).toMatch(/^user\nvery secret\n[0-9a-f]{16}\n$/);
  });

  it("tells of no secret that was changed only when it is the same", async () => {
    const secret = { username: "user", password: "very secret" };
    const print = commands((await observe(iscsiServer, [])).plan({ ...desired, secret }))[0]?.stdin?.split("\n")[2];
    const seen = await observe(iscsiServer, [{ ...report, fingerprint: print }]);
    expect(verbs(seen.plan({ ...desired, secret }))).toEqual([]);
    expect(verbs(seen.plan({ ...desired, secret: { ...secret, password: "other" } }))).toHaveLength(1);
    expect(verbs(seen.plan(desired))).toHaveLength(1);
  });

  it("numbers the controllers of a mirror's two hosts apart: a number that is there already is refused by clients", async () => {
    const first = async (side: 0 | 1) => verbs((await observe(nvmeServer, [])).plan({ ...desired, side }))[0];
    expect(await first(0)).toMatch(/ 192\.0\.2\.1 1 nqn\.h2 nqn\.h1$/);
    expect(await first(1)).toMatch(/ 192\.0\.2\.1 30001 nqn\.h2 nqn\.h1$/);
  });

  it("is withdrawn in one step, when there is anything of it", async () => {
    expect(verbs((await observe(nvmeServer, [report])).planWithdrawal())).toEqual(["withdraw m1"]);
    expect(verbs((await observe(nvmeServer, [{ ...report, key: "other" }])).planWithdrawal())).toEqual([]);
  });

  test.each([{}, { exports: [{ ...report, serving: "yes" }] }, { exports: [{ ...report, clients: [1] }] }])(
    "is an error when it cannot be read: %j",
    async (text) => {
      const exec: Executor = {
        run: () => Promise.resolve({ exitCode: 0, stdout: JSON.stringify(text), stderr: "" }),
        write: () => Promise.resolve(),
        read: () => Promise.resolve(undefined),
        realPath: (path) => Promise.resolve(path),
      };
      await expect(iscsiServer.observe("m1", exec, new AbortController().signal)).rejects.toThrow(/cannot be/);
    },
  );
});
