import { describe, expect, it } from "vitest";
import type { Executor } from "../../executors/command/types.ts";
import { wholeMirrors } from "./beginning.ts";
import { type Beginning, HOSTS, type HostName, MIRROR_NAMES, World } from "./world.ts";

const SECOND_MS = 1000;
const PATIENCE_SECONDS = 120;

/** Comes between an agent and its machine's tools: `strike` instead of the n-th change, which then never happens, or has. */
function strikeAt(
  world: World,
  host: HostName,
  change: number,
  when: "before" | "after",
  strike: () => void,
): string[] {
  const changes: string[] = [];
  const counted = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const strikes = changes.push(what) - 1 === change;
    if (!strikes) return work();
    if (when === "after") await work();
    strike();
    return new Promise(() => {});
  };
  const wrap = (inner: Executor): Executor => ({
    run: (command, signal) => {
      const go = () => inner.run(command, signal);
      return command.mutates ? counted(command.argv.join(" "), go) : go();
    },
    write: (file, signal) => counted(`write ${file.path}`, () => inner.write(file, signal)),
    read: (path, signal) => inner.read(path, signal),
    realPath: (path, signal) => inner.realPath(path, signal),
  });
  world.tools = (name, executor) => (name === host ? wrap(executor) : executor);
  return changes;
}

const strikes: Record<"agent" | "power", (world: World, host: HostName) => void> = {
  agent(world, host) {
    world.killAgent(host);
    world.clock.schedule(2 * SECOND_MS, () => world.startAgent(host));
  },
  power(world, host) {
    world.powerOff(host);
    world.clock.schedule(5 * SECOND_MS, () => world.powerOn(host));
  },
};

interface Life {
  readonly begin: (world: World) => void;
  readonly ended: (world: World) => boolean;
}

/** One life with one strike; answers what the host's agent changed. */
async function live(life: Life, host: HostName, how: "agent" | "power", change: number, when: "before" | "after") {
  const world = new World(7);
  const changes = strikeAt(world, host, change, when, () => strikes[how](world, host));
  life.begin(world);
  for (let second = 0; second < PATIENCE_SECONDS && !life.ended(world); second++) await world.clock.advance(SECOND_MS);
  return { ended: life.ended(world), violation: world.violation, changes, world };
}

async function expectEveryChangeToBeSurvived(life: Life, host: HostName, how: "agent" | "power"): Promise<string[]> {
  const { changes, ended } = await live(life, host, how, Number.POSITIVE_INFINITY, "before");
  expect(ended).toBe(true);
  // A machine loses its power after a change, an agent dies before the next: what was in flight differs, the tools' world does not.
  const when = how === "power" ? "after" : "before";
  for (let change = 0; change < changes.length; change++) {
    const end = await live(life, host, how, change, when);
    const told = `${when} ${changes[change]}\n${end.world.lines.slice(-40).join("\n")}`;
    expect(end.violation, told).toBeUndefined();
    expect(end.ended, told).toBe(true);
  }
  return changes;
}

const birth: Life = {
  begin: (world) => world.beginEmpty(["alpha", "beta"]),
  ended: (world) => MIRROR_NAMES.every((name) => world.isWhole(name)),
};

/** `kubectl delete mirror m1`, of two that are whole. */
function death(whole: Beginning): Life {
  const path = "/apis/ferrite.dev/v1alpha1/namespaces/default/mirrors/m1";
  return {
    begin(world) {
      world.begin(whole);
      world.store.handle({ method: "DELETE", path, headers: {} }, "admin");
    },
    ended: (world) =>
      world.mirror("m1") === undefined &&
      world.entry("m1") === undefined &&
      HOSTS.every((host) => {
        const { files, disks } = world.machine(host);
        return !files.has("/etc/drbd.d/m1.res") && disks.get(`/dev/${host}-m1`)?.metadata === undefined;
      }) &&
      world.isWhole("m2"),
  };
}

describe.each(HOSTS)("%s, interrupted at every change that its agent makes", (host) => {
  it.each(["agent", "power"] as const)(
    "by the death of its %s, ends with two new mirrors all the same",
    async (how) => {
      const changes = (await expectEveryChangeToBeSurvived(birth, host, how)).join("\n");
      expect(changes).toMatch(/create-md m1[^]*adjust m1/);
      if (host === "alpha") expect(changes).toMatch(/--force primary m1/);
    },
    60_000,
  );

  it.each(["agent", "power"] as const)(
    "by the death of its %s, ends without the mirror that is deleted all the same",
    async (how) => {
      const life = death(await wholeMirrors(["alpha", "beta"]));
      const changes = (await expectEveryChangeToBeSurvived(life, host, how)).join("\n");
      expect(changes).toMatch(/down m1[^]*wipe-md m1[^]*rm -f .*m1.res/);
    },
    60_000,
  );
});
