import type { Random } from "../../machinery/random.ts";
import { play, type Scenario, SCENARIOS } from "./scenarios.ts";
import { HOSTS, type HostName, LEASE_SECONDS, MIRROR_NAMES, type World } from "./world.ts";

const KINDS = [
  "cut replication",
  "cut replication one way",
  "cut API",
  "hang API",
  "API down",
  "kill agent",
  "pause agent",
  "reboot",
  "fail disk",
  "slow disk",
  "kill helpers",
  "move primary",
  "restart controllers",
  "unreliable API",
  "jump clock",
  "lose host",
  "fail over",
  "fail over",
  "fail over",
  ...SCENARIOS,
] as const;
export type FaultKind = (typeof KINDS)[number];

/** One misfortune with its end; a run's are a list, so that it can be made shorter. */
export interface Fault {
  readonly atMs: number;
  readonly forMs: number;
  readonly kind: FaultKind;
  readonly host: HostName;
  readonly mirror: (typeof MIRROR_NAMES)[number];
}

/** Longer than a Lease, and than the controllers need to see that it ran out. */
const FAIL_OVER_MS = LEASE_SECONDS * 1000 + 4000;
export const CHAOS_MS = 20_000;

/** The misfortune of this name; RangeError: there is none. */
export function faultKind(name: string): FaultKind {
  const kind = KINDS.find((known) => known === name);
  if (kind === undefined) throw new RangeError(`no misfortune is called "${name}"; there are: ${KINDS.join(", ")}`);
  return kind;
}

/** `kinds`: what may happen; left out: anything. */
export function makeFaults(random: Random, kinds: readonly FaultKind[] = KINDS): Fault[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  const count = 2 + Math.floor(random.next() * 9);
  const faults = Array.from({ length: count }, () => ({
    atMs: Math.round(random.next() * CHAOS_MS),
    // Many short ones: what matters happens in the time of a reaction.
    forMs: Math.round(random.next() ** 2 * 12_000) + 50,
    kind: pick(kinds),
    host: pick(HOSTS),
    mirror: pick(MIRROR_NAMES),
  }));
  return faults.sort((a, b) => a.atMs - b.atMs);
}

export const describeFault = ({ atMs, forMs, kind, host, mirror }: Fault): string =>
  `${(atMs / 1000).toFixed(3)} s: ${kind} ${host} ${mirror} for ${(forMs / 1000).toFixed(3)} s`;

const isScenario = (kind: FaultKind): kind is Scenario =>
  kind === "fail over" || (SCENARIOS as readonly FaultKind[]).includes(kind);

/** Lets it happen, and end. */
export function inject(world: World, fault: Fault): void {
  const { clock } = world;
  clock.schedule(fault.atMs, () => {
    world.log(`fault: ${fault.kind} ${fault.host} ${fault.mirror}, ${fault.forMs} ms`);
    const end = begin(world, fault);
    // Nobody is given up before a Lease has run out.
    const forMs = isScenario(fault.kind) ? fault.forMs + FAIL_OVER_MS : fault.forMs;
    clock.schedule(forMs, () => end());
  });
}

function begin(world: World, { kind, host, mirror, forMs }: Fault): () => void {
  if (isScenario(kind)) return play(world, kind, { host, forMs });
  const link = world.links.get(host);
  const disk = world.machine(host).disks.get(`/dev/${host}-${mirror}`);
  const nothing = () => undefined;
  switch (kind) {
    case "cut replication":
      world.drbd.link.cut();
      return () => world.drbd.link.mend();
    case "cut API":
      link?.cut();
      return () => link?.mend();
    case "hang API":
      link?.hang();
      return () => link?.mend();
    case "API down":
      for (const each of world.links.values()) each.cut();
      return () => {
        for (const each of world.links.values()) each.mend();
      };
    case "kill agent":
      world.killAgent(host);
      return () => world.startAgent(host);
    case "pause agent":
      world.pauseAgent(host, true);
      return () => world.pauseAgent(host, false);
    case "cut replication one way":
      world.drbd.link.cut(host);
      return () => world.drbd.link.mend();
    case "reboot":
      world.powerOff(host);
      return () => world.powerOn(host);
    case "lose host":
      world.drbd.link.cut();
      link?.hang();
      return () => {
        world.drbd.link.mend();
        link?.mend();
      };
    case "fail disk":
      if (disk !== undefined) disk.failed = true;
      return () => {
        if (disk !== undefined) disk.failed = false;
      };
    case "slow disk":
      if (disk !== undefined) disk.latencyMs = 700;
      return () => {
        if (disk !== undefined) disk.latencyMs = 1;
      };
    case "kill helpers":
      world.machine(host).killHelpers();
      return nothing;
    case "move primary":
      world.setPrimary(mirror, host);
      return nothing;
    case "restart controllers":
      world.restartControllers();
      return nothing;
    case "unreliable API":
      for (const each of world.links.values()) each.unreliable = 0.3;
      return () => {
        for (const each of world.links.values()) each.unreliable = 0;
      };
    case "jump clock":
      world.wallOffsetMs.set(host, (world.wallOffsetMs.get(host) ?? 0) - 3_600_000);
      return nothing;
    default:
      return kind satisfies never;
  }
}

/** Everything that can be mended is. */
export function mendAll(world: World): void {
  world.log("all is mended");
  world.drbd.link.mend();
  for (const link of world.links.values()) {
    link.mend();
    link.unreliable = 0;
  }
  for (const name of HOSTS) {
    for (const disk of world.machine(name).disks.values()) {
      disk.failed = false;
      disk.latencyMs = 1;
    }
    world.powerOn(name);
    world.pauseAgent(name, false);
    world.startAgent(name);
  }
}
