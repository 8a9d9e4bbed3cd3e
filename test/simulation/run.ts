import { seededRandom } from "../../machinery/random.ts";
import { LivelockError } from "../../machinery/virtual-clock.ts";
import { Administrator, describeMirror } from "./administrator.ts";
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
  /** How often an administrator had to say which copy counts. */
  readonly words: number;
  /** Writes that went by an administrator's word. */
  readonly givenUp: number;
  /** How the record and both sides of each stuck mirror were in the end. */
  readonly remains: readonly string[];
  readonly lines: readonly string[];
}

const STEP_MS = 250;
/** How long a mended system may take until everything is whole again. */
const HEAL_MS = 120_000;
/** After it an administrator restarts machines that are still frozen, and does what conditions ask for. */
const PATIENCE_MS = 30_000;
/** How often the administrator looks. */
const LOOK_MS = 1000;
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
  const administrator = new Administrator(world);
  const chance = seededRandom(seed ^ 0xace);
  const primaries = MIRROR_NAMES.map((): HostName => (chance.next() < 0.7 ? "alpha" : "beta"));
  const outcome = (stuck: readonly string[]): Outcome => ({
    seed,
    faults,
    violation: world.violation,
    stuck,
    excused: world.checks.excused,
    words: administrator.words,
    givenUp: world.checks.givenUp,
    acknowledged: world.writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    remains: stuck.flatMap((name) => describeMirror(world, name)),
    lines: world.lines,
  });
  if (seed % EMPTY_EVERY === 0) world.beginEmpty(primaries);
  else world.begin(await wholeMirrors(primaries));
  for (const writer of world.writers) writer.start();
  for (const fault of faults) inject(world, fault);
  if (!(await run(world, CHAOS_MS))) return outcome([]);
  mendAll(world);
  const before = new Map(MIRROR_NAMES.map((name) => [name, world.checks.of(name).acknowledged]));
  const stuckMirrors = () =>
    MIRROR_NAMES.filter((name) => !world.isWhole(name) || world.checks.of(name).acknowledged === before.get(name));
  const untilWell = async (limitMs: number, look = () => {}) => {
    for (let ms = 0; ms < limitMs && stuckMirrors().length > 0; ms += STEP_MS) {
      if (ms % LOOK_MS === 0) look();
      if (!(await run(world, STEP_MS))) return;
    }
  };
  await untilWell(PATIENCE_MS);
  for (const host of HOSTS) administrator.restartIfFrozen(host);
  await untilWell(HEAL_MS - PATIENCE_MS, () => administrator.answerDoubts());
  const stuck = world.violation === undefined ? stuckMirrors() : [];
  if (stuck.length === 0 && world.violation === undefined) world.checks.settled(MIRROR_NAMES);
  return outcome(stuck);
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
