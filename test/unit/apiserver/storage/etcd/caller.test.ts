import { expect, it } from "vitest";
import { StorageUnavailableError } from "../../../../../apiserver/storage/errors.ts";
import { Caller } from "../../../../../apiserver/storage/etcd/caller.ts";
import { Endpoints } from "../../../../../apiserver/storage/etcd/endpoints.ts";
import { RpcError } from "../../../../../apiserver/storage/etcd/rpc/status.ts";
import { seededRandom } from "../../../../../machinery/random.ts";
import { VirtualClock } from "../../../../../machinery/virtual-clock.ts";

const LOST = new RpcError("UNAVAILABLE", "connection dropped", { sent: true });
const UNSENT = new RpcError("UNAVAILABLE", "no connection", { sent: false });
const REFUSED = new RpcError("PERMISSION_DENIED", "etcdserver: permission denied", { sent: true });

function setUp(endpoints: readonly string[] = ["http://127.0.0.1:1"]) {
  const clock = new VirtualClock();
  const closed = new AbortController();
  const members = new Endpoints({ endpoints }, clock);
  const caller = new Caller(members, clock, seededRandom(1), 1000, closed.signal);
  return { clock, closed, members, caller };
}

/** A call that fails with each error in turn, then succeeds. */
function failing(...errors: readonly Error[]) {
  const calls = { count: 0 };
  const attempt = async () => {
    const error = errors[calls.count++];
    if (error !== undefined) throw error;
    return "done";
  };
  return { calls, attempt };
}

it.each([
  ["a read whose answer was lost", LOST, false, 3],
  ["a read that never left", UNSENT, false, 3],
  ["a write that never left", UNSENT, true, 3],
])("tries again: %s", async (_, error, writes, count) => {
  const { clock, caller } = setUp();
  const { calls, attempt } = failing(error, error);
  const result = caller.call(attempt, { writes });
  await clock.advance(1000);
  expect(await result).toBe("done");
  expect(calls.count).toBe(count);
});

it.each([
  ["a write whose answer was lost", LOST, true, "unknown"],
  ["what etcd refuses", REFUSED, false, "no"],
  ["a refused write", REFUSED, true, "no"],
])("does not try again: %s", async (_, error, writes, applied) => {
  const { clock, caller } = setUp();
  const { calls, attempt } = failing(error, error);
  const failure = caller.call(attempt, { writes }).catch((error: unknown) => error);
  await clock.advance(5000);
  expect(await failure).toBeInstanceOf(StorageUnavailableError);
  expect(await failure).toMatchObject({ applied });
  expect(calls.count).toBe(1);
});

it("starts no try after its budget", async () => {
  const { clock, caller } = setUp();
  const attempts: number[] = [];
  const failure = caller
    .call(
      async () => {
        attempts.push(clock.monotonicMs());
        throw UNSENT;
      },
      { writes: true },
    )
    .catch((error: unknown) => error);
  await clock.advance(10_000);
  expect(await failure).toMatchObject({ applied: "no" });
  expect(attempts.length).toBeGreaterThan(4);
  // The last one may start up to one pause after the budget has run out.
  expect(attempts.at(-1)).toBeLessThanOrEqual(1250);
  expect(clock.pending).toBe(0);
});

it("ends its waiting when the store is closed", async () => {
  const { clock, closed, caller } = setUp();
  const failure = caller.call(failing(LOST).attempt, { writes: false }).catch((error: unknown) => error);
  await clock.settle();
  closed.abort();
  expect(await failure).toMatchObject({ message: "the store is closed" });
});

it("stays with one member, and turns to the next when it fails, once for all who saw it fail", async () => {
  const { clock, caller, members } = setUp(["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"]);
  const first = members.current;
  const { turned } = members;
  expect(await caller.call(async (client) => client === first, { writes: false })).toBe(true);
  await caller.call(failing(REFUSED).attempt, { writes: true }).catch(() => {});
  expect(members.current).toBe(first);
  const reads = [1, 2, 3].map(() => caller.call(failing(LOST).attempt, { writes: false }));
  await clock.advance(1000);
  await Promise.all(reads);
  expect(members.current).not.toBe(first);
  expect(turned.aborted).toBe(true);
  expect(members.turned.aborted).toBe(false);
  const second = members.current;
  members.failed(first);
  expect(members.current).toBe(second);
  members.failed(second);
  members.failed(members.current);
  expect(members.current).toBe(first);
});

it("has nowhere to turn with one member, and refuses none", () => {
  const { members } = setUp();
  members.failed(members.current);
  expect(members.turned.aborted).toBe(false);
  expect(() => setUp([])).toThrow("endpoints");
});
