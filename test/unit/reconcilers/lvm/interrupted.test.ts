import { expect, it } from "vitest";
import { TapeCut } from "../../../../executors/command/tape.ts";
import { LvmModel } from "../../../../executors/model/lvm.ts";
import { Machine } from "./machine.ts";

/** Each goes on from the end of the one before. */
const LIFE: readonly (readonly [what: string, change: (machine: Machine) => void])[] = [
  [
    "a volume group with a pool, on a disk that is to be wiped",
    (m) => m.group({ overwrite: true, thinPool: { size: "128Mi" } }),
  ],
  ["a further disk", (m) => m.group({ physicalVolumes: [{ device: "/dev/sdb" }, { device: "/dev/sdc" }] })],
  ["one disk less", (m) => m.group({ physicalVolumes: [{ device: "/dev/sdb" }] })],
  ["a volume with a file system", (m) => m.volume("data", { fileSystem: { type: "ext4" } })],
  ["a thin volume", (m) => m.volume("thin", { thin: true, size: "256Mi" })],
  ["a larger volume with its file system", (m) => m.volume("data", { size: "128Mi" })],
  ["a snapshot", (m) => m.snapshot("then", "data")],
  [
    "a volume made of a snapshot",
    (m) => m.volume("copy", { size: "128Mi", source: { snapshotRef: { name: "then" } } }),
  ],
  ["a volume made of a volume", (m) => m.volume("other", { size: "128Mi", source: { volumeRef: { name: "copy" } } })],
  ["a thin clone", (m) => m.volume("clone", { thin: true, size: "256Mi", source: { volumeRef: { name: "thin" } } })],
  ["nothing: everything is deleted", (m) => m.deleteAll()],
];

const world = (): Machine =>
  new Machine(new LvmModel().withDisk("/dev/sdb", { signatures: ["ext4"] }).withDisk("/dev/sdc"));

/** A machine as it is after the first `steps` of its life, uninterrupted. */
async function after(steps: number): Promise<Machine> {
  const machine = world();
  for (const [, change] of LIFE.slice(0, steps)) {
    change(machine);
    await machine.run();
  }
  machine.effects.length = 0;
  return machine;
}

/** For the n-th thing that the agent does, every n: it dies before it, is started again, and all ends as without. */
it.each(LIFE.map(([what, change], index) => ({ what, change, index })))(
  "an agent that dies at any moment ends with $what all the same",
  async ({ change, index }) => {
    const whole = await after(index);
    change(whole);
    await whole.run();
    const { effects } = whole;
    expect(effects.length).toBeGreaterThan(1);
    for (let cut = 0; cut < effects.length; cut++) {
      const machine = await after(index);
      change(machine);
      machine.dieBefore = cut;
      await expect(machine.run(), `cut ${cut}`).rejects.toBeInstanceOf(TapeCut);
      machine.dieBefore = Number.POSITIVE_INFINITY;
      await machine.run();
      expect(machine.state(), `died before: ${effects[cut]}`).toEqual(whole.state());
    }
  },
);

it("ends with empty disks and no objects", async () => {
  const machine = await after(LIFE.length);
  expect(machine.state()).toMatchObject({ groups: [], objects: [] });
  expect([...machine.model.disks.values()].map(({ signatures }) => signatures)).toEqual([[], []]);
});

it("comes through a life of many deaths, each a little later than the last", async () => {
  const machine = world();
  for (const [what, change] of LIFE) {
    change(machine);
    for (let lives = 0; ; lives++) {
      machine.dieBefore = 1 + lives;
      const died = await machine.run().then(
        () => false,
        (error: unknown) => {
          if (error instanceof TapeCut) return true;
          throw error;
        },
      );
      if (!died) break;
      expect(lives, what).toBeLessThan(60);
    }
  }
  expect(machine.state()).toMatchObject({ groups: [], objects: [] });
});
