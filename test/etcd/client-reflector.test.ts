import { expect, it, vi } from "vitest";
import { startServer } from "../../apiserver/server.ts";
import type { ApiObject } from "../../client/api-object.ts";
import { Reflector } from "../../client/reflector.ts";
import { RestClient } from "../../client/rest.ts";
import type { Change } from "../../client/store.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { seededRandom, systemRandom } from "../../machinery/random.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import { makeLink } from "../unit/in-process.ts";
import { startServed, type Served } from "./served.ts";

interface Widget extends ApiObject {
  readonly spec: { readonly size: number };
}
const WIDGETS: ResourceType<Widget> = {
  group: "example.com",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};
const widget = (name: string, size = 1): Widget => ({ metadata: { namespace: "default", name }, spec: { size } });

/** Rebuilds the collection from the changes alone, and fails on one that does not fit the last. */
class Replay {
  readonly objects = new Map<string, string>();
  readonly misfits: string[] = [];

  take(change: Change<Widget>): void {
    const { name = "", uid, resourceVersion } = change.object.metadata;
    const known = this.objects.get(name);
    const fits =
      change.kind === "added"
        ? known === undefined
        : known?.startsWith(`${uid}@`) === true &&
          (change.kind === "deleted" || known === `${uid}@${change.old.metadata.resourceVersion}`);
    if (!fits) this.misfits.push(`${change.kind} ${name} ${uid}@${resourceVersion} after ${known}`);
    if (change.kind === "deleted") this.objects.delete(name);
    else this.objects.set(name, `${uid}@${resourceVersion}`);
  }
}

function follow(served: Served) {
  const stop = new AbortController();
  const reflector = new Reflector<Widget>({
    client: served.client,
    type: WIDGETS,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    backoff: { baseMs: 20, maxMs: 200 },
  });
  const replay = new Replay();
  reflector.onChange((change) => replay.take(change));
  const running = reflector.run(stop.signal);
  return {
    reflector,
    replay,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

const state = (objects: Iterable<{ readonly metadata: ApiObject["metadata"] }>) =>
  new Map([...objects].map(({ metadata }) => [metadata.name ?? "", `${metadata.uid}@${metadata.resourceVersion}`]));

async function expectEqual(served: Served, { reflector, replay }: Awaited<ReturnType<typeof follow>>) {
  const { items } = await served.client.list(WIDGETS);
  await vi.waitFor(() => expect(state(reflector.cache.list())).toEqual(state(items)), { timeout: 20_000 });
  expect(replay.objects).toEqual(state(items));
  expect(replay.misfits).toEqual([]);
  return items.length;
}

/** Creates, changes, deletes and creates again at random; a lost reply or a refusal is no reason to stop. */
async function write(served: Served, seed: number, until: () => boolean): Promise<number> {
  const random = seededRandom(seed);
  let done = 0;
  while (!until()) {
    const key = { namespace: "default", name: `w${Math.floor(random.next() * 20)}` };
    const kind = random.next();
    const work =
      kind < 0.5
        ? served.client.create(WIDGETS, widget(key.name))
        : kind < 0.8
          ? served.client.patch(WIDGETS, key, { kind: "merge", body: { spec: { size: 1 + (done % 1000) } } })
          : served.client.delete(WIDGETS, key);
    await work.then(
      () => (done += 1),
      () => new Promise((resolve) => setImmediate(resolve)),
    );
  }
  return done;
}

it("stays equal to the collection while the API server restarts and etcd is killed under load", async () => {
  await using served = await startServed();
  await using followed = follow(served);
  await followed.reflector.whenListed();
  let stop = false;
  const writers = [1, 2, 3].map((seed) => write(served, seed, () => stop));
  const upTo = async (revision: number) =>
    vi.waitFor(async () => expect(await served.storage.currentRevision()).toBeGreaterThan(revision), {
      timeout: 30_000,
    });
  const progress = async () => upTo((await served.storage.currentRevision()) + 150);
  for (let round = 0; round < 3; round += 1) {
    await progress();
    await served.stop();
    await vi.waitFor(() => expect(followed.reflector.sight.kind).toBe("blind"));
    await served.start();
    await progress();
    process.kill(served.etcdPid(), "SIGKILL");
    await vi.waitFor(progress, { timeout: 60_000 });
  }
  stop = true;
  const written = (await Promise.all(writers)).reduce((sum, each) => sum + each, 0);
  expect(written).toBeGreaterThan(600);
  expect(await expectEqual(served, followed)).toBeGreaterThan(0);
  await vi.waitFor(() => expect(followed.reflector.sight.kind).toBe("synced"), { timeout: 10_000 });
});

it("tells what it missed when history was compacted while it could not see", async () => {
  await using served = await startServed();
  for (const name of ["stays", "goes", "comes-back"]) await served.client.create(WIDGETS, widget(name));
  await using followed = follow(served);
  await followed.reflector.whenListed();
  const before = followed.reflector.cache.get("default", "comes-back")!.metadata.uid;
  const changes: string[] = [];
  followed.reflector.onChange((change) => changes.push(`${change.kind} ${change.object.metadata.name}`));
  changes.length = 0; // what is there already was told first
  await vi.waitFor(() => expect(followed.reflector.sight.kind).toBe("synced"));
  await served.stop();
  await vi.waitFor(() => expect(followed.reflector.sight.kind).toBe("blind"));
  // Another server of the same etcd works on; ours comes back only after the history is gone.
  const other = await startServer({ storage: served.storage });
  const client = new RestClient({ transport: makeLink(other).transport, clock: systemClock });
  for (const name of ["goes", "comes-back"]) await client.delete(WIDGETS, { namespace: "default", name });
  await client.create(WIDGETS, widget("comes-back"));
  await client.create(WIDGETS, widget("new"));
  await other.stop();
  await served.storage.compact(await served.storage.currentRevision());
  await served.start();
  await vi.waitFor(() => expect(followed.reflector.sight.kind).toBe("synced"), { timeout: 10_000 });
  expect(await expectEqual(served, followed)).toBe(3);
  expect(followed.reflector.cache.get("default", "comes-back")?.metadata.uid).not.toBe(before);
  expect(changes).toEqual(
    expect.arrayContaining(["deleted goes", "deleted comes-back", "added comes-back", "added new"]),
  );
  expect(changes).toHaveLength(4);
});
