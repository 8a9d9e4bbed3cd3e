import { type Beginning, type HostName, MIRROR_NAMES, World } from "./world.ts";

const LIMIT_MS = 120_000;
const STEP_MS = 500;

const known = new Map<string, Promise<Beginning>>();

/** Two hosts with whole mirrors and these primaries, made once in a process by a life of its own. */
export function wholeMirrors(primaries: readonly HostName[]): Promise<Beginning> {
  const key = primaries.join();
  const made = known.get(key) ?? make(primaries);
  known.set(key, made);
  return made;
}

async function make(primaries: readonly HostName[]): Promise<Beginning> {
  const world = new World(0);
  world.beginEmpty(primaries);
  while (!MIRROR_NAMES.every((name) => world.isWhole(name))) {
    if (world.clock.monotonicMs() > LIMIT_MS) throw new Error(`no mirror became whole\n${world.lines.join("\n")}`);
    await world.clock.advance(STEP_MS);
  }
  const image = world.image();
  // The leader of that life never gave it back.
  const objects = new Map([...image.store.objects].filter(([key]) => !key.startsWith("leases/")));
  return { ...image, store: { ...image.store, objects } };
}
