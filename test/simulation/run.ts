import { seededRandom } from "../../machinery/random.ts";
import { LivelockError } from "../../machinery/virtual-clock.ts";
import { wholeMirrors } from "./beginning.ts";
import type { Violation } from "./checks.ts";
import { CHAOS_MS, type Fault, type FaultKind, inject, makeFaults, mendAll } from "./faults.ts";
import { HOSTS, type HostName, MIRROR_NAMES, World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly violation: Violation | undefined;
  /** Mirrors that nobody could write to in the end, although everything was mended. */
  readonly stuck: readonly string[];
  /** Writes that went with the last disk: see `Checks`. */
  readonly excused: number;
  readonly acknowledged: number;
  readonly lines: readonly string[];
}

const STEP_MS = 250;
/** How long a mended system may take until everything is whole again. */
const HEAL_MS = 120_000;
/** After it a person restarts machines that are still frozen. */
const PATIENCE_MS = 30_000;
/** Time for a writer to get something written to a whole mirror. */
const WRITE_MS = 10_000;
/** One life in so many begins with empty disks, and with faults from its first moment. */
const EMPTY_EVERY = 16;

export const faultsOf = (seed: number, kinds?: readonly FaultKind[]): Fault[] =>
  makeFaults(seededRandom(seed ^ 0x5eed), kinds);

/** One life of the system, from empty disks to mended. Everything follows from the seed and the list of faults. */
export async function simulate(
  seed: number,
  options: { readonly faults?: readonly Fault[]; readonly verbose?: boolean } = {},
): Promise<Outcome> {
  const faults = options.faults ?? faultsOf(seed);
  const world = new World(seed, options);
  const chance = seededRandom(seed ^ 0xace);
  const primaries = MIRROR_NAMES.map((): HostName => (chance.next() < 0.7 ? "alpha" : "beta"));
  const outcome = (stuck: readonly string[]): Outcome => ({
    seed,
    faults,
    violation: world.violation,
    stuck,
    excused: world.checks.excused,
    acknowledged: world.writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    lines: world.lines,
  });
  if (seed % EMPTY_EVERY === 0) world.beginEmpty(primaries);
  else world.begin(await wholeMirrors(primaries));
  for (const writer of world.writers) writer.start();
  for (const fault of faults) inject(world, fault);
  if (!(await run(world, CHAOS_MS))) return outcome([]);
  mendAll(world);
  await untilWhole(world, PATIENCE_MS);
  for (const host of HOSTS) restartIfFrozen(world, host);
  await untilWhole(world, HEAL_MS - PATIENCE_MS);
  const stuck = world.violation === undefined ? await stuckMirrors(world) : [];
  if (stuck.length === 0 && world.violation === undefined) world.checks.settled(MIRROR_NAMES);
  return outcome(stuck);
}

/** Runs until both mirrors have both members and the wanted primary. */
async function untilWhole(world: World, limitMs: number): Promise<void> {
  const endMs = world.clock.monotonicMs() + limitMs;
  while (world.clock.monotonicMs() < endMs && (await run(world, STEP_MS)))
    if (MIRROR_NAMES.every((name) => world.isWhole(name))) return;
}

/** False as soon as a promise is broken. */
async function run(world: World, forMs: number): Promise<boolean> {
  for (let ms = 0; ms < forMs && world.violation === undefined; ms += STEP_MS) {
    try {
      await world.clock.advance(STEP_MS);
    } catch (error) {
      if (!(error instanceof LivelockError)) throw error;
      world.livelock(error.message);
    }
    world.checks.readAll(MIRROR_NAMES);
  }
  return world.violation === undefined;
}

function restartIfFrozen(world: World, host: HostName): void {
  const frozen = [...world.drbd.kernel(host).values()].some(({ suspended }) => suspended);
  if (!frozen) return;
  world.powerOff(host);
  world.clock.schedule(5000, () => world.powerOn(host));
}

async function stuckMirrors(world: World): Promise<string[]> {
  const before = MIRROR_NAMES.map((name) => world.checks.of(name).blocks.size);
  const stuck = () =>
    MIRROR_NAMES.filter((name, index) => !world.isWhole(name) || world.checks.of(name).blocks.size === before[index]);
  for (let ms = 0; ms < WRITE_MS && stuck().length > 0; ms += STEP_MS) await run(world, STEP_MS);
  return stuck();
}
