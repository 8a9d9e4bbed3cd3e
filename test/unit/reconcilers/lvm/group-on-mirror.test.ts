import { beforeEach, expect, it } from "vitest";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import { LvmModel } from "../../../../executors/model/lvm.ts";
import { findCondition } from "../../../../machinery/conditions.ts";
import { Machine } from "./machine.ts";

const DEVICE = "/dev/drbd1000";
let machine: Machine;

/** This host's side: what is asked of it, and what DRBD says. */
function side(spec: { role: string }, status: object): void {
  const metadata = { name: "m1-alpha", namespace: "default" };
  machine.replica = {
    metadata,
    spec: { mirrorRef: { name: "m1" }, hostName: "alpha", ...spec },
    status: { devicePath: DEVICE, ...status },
  } as unknown as MirrorReplica;
}
const primary = () => side({ role: "Primary" }, { role: "Primary" });
const told = () => side({ role: "Secondary" }, { role: "Primary" });
const secondary = () => side({ role: "Secondary" }, { role: "Secondary" });

const readyOf = (store: { get(request: { name: string }): unknown }, name: string) =>
  findCondition((store.get({ name }) as { status?: { conditions?: [] } } | undefined)?.status?.conditions, "Ready");
const groupReady = () => readyOf(machine.volumeGroups, "vg1");
const volumeReady = () => readyOf(machine.volumes, "data");

beforeEach(async () => {
  machine = new Machine(new LvmModel().withDisk(DEVICE));
  machine.group({
    hostName: undefined,
    physicalVolumes: [{ mirrorRef: { namespace: "default", name: "m1" } }],
  } as never);
  primary();
  await machine.run();
  machine.volume("data");
  await machine.run();
});

const active = () => machine.model.volume("data").active;

it("is made and used on the primary", () => {
  expect(active()).toBe(true);
  expect(groupReady()).toMatchObject({ status: "True" });
  expect(volumeReady()).toMatchObject({ status: "True" });
});

it("goes out of use when the primary is to move, and stays so", async () => {
  told();
  await machine.run();
  expect(active()).toBe(false);
  expect(groupReady()).toMatchObject({ status: "False", reason: "Left" });
  expect(volumeReady()).toMatchObject({ status: "False", reason: "GroupLeaves" });
  const before = machine.effects.length;
  await machine.run();
  expect(machine.effects).toHaveLength(before);
});

it("keeps what is open, and names it", async () => {
  machine.model.volume("data").open = true;
  told();
  await machine.run();
  expect(active()).toBe(true);
  expect(groupReady()).toMatchObject({ status: "False", reason: "VolumesInUse" });
  expect(groupReady()?.message).toMatch(/data of vg1 is open/);
});

it("comes back with the primary", async () => {
  told();
  await machine.run();
  primary();
  await machine.run();
  expect(active()).toBe(true);
  expect(volumeReady()).toMatchObject({ status: "True" });
});

it("is not touched on a secondary, not even looked at", async () => {
  told();
  await machine.run();
  secondary();
  let commands = 0;
  const inner = machine.model.run.bind(machine.model);
  machine.model.run = (command) => {
    if (command.argv.join(" ").includes(DEVICE)) commands++;
    return inner(command);
  };
  await machine.run();
  expect(commands).toBe(0);
  expect(active()).toBe(false);
});

it("is not looked at while its mirror is frozen: LVM would wait with it, for all groups", async () => {
  side({ role: "Primary" }, { role: "Primary", suspended: true });
  let commands = 0;
  const inner = machine.model.run.bind(machine.model);
  machine.model.run = (command) => {
    if (command.argv.join(" ").includes(DEVICE)) commands++;
    return inner(command);
  };
  await machine.run();
  expect(commands).toBe(0);
  expect(groupReady()).toMatchObject({ status: "False", reason: "Suspended" });
});
