import { expect, it } from "vitest";
import { StorageUnavailableError, ValueTooLargeError } from "../../../../../apiserver/storage/errors.ts";
import { classify, EtcdRefusal, translate } from "../../../../../apiserver/storage/etcd/failures.ts";

/** As etcd 3.5 and grpc-js 1.14 word them. */
it.each([
  ["14 UNAVAILABLE: No connection established. Last error: connect ENOENT /x.sock. Resolution note: ", "notApplied"],
  ["14 UNAVAILABLE: Channel closed before call started", "notApplied"],
  ["14 UNAVAILABLE: Connection dropped", "unknown"],
  ["14 UNAVAILABLE: etcdserver: request timed out", "unknown"],
  ["14 UNAVAILABLE: etcdserver: leader changed", "unknown"],
  ["14 UNAVAILABLE: etcdserver: no leader", "notApplied"],
  ["4 DEADLINE_EXCEEDED: Deadline exceeded after 5.001s", "unknown"],
  ["13 INTERNAL: Received RST_STREAM with code 2", "unknown"],
  ["8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded", "refused"],
  ["8 RESOURCE_EXHAUSTED: grpc: received message larger than max (4194400 vs. 2097152)", "tooLarge"],
  ["3 INVALID_ARGUMENT: etcdserver: request is too large", "tooLarge"],
  ["8 RESOURCE_EXHAUSTED: etcdserver: too many requests", "notApplied"],
  ["11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted", "compacted"],
  ["11 OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision", "future"],
  ["5 NOT_FOUND: etcdserver: requested lease not found", "leaseGone"],
  ["7 PERMISSION_DENIED: etcdserver: permission denied", "refused"],
])("takes %j for %s", (text, failure) => {
  expect(classify(new Error(text))).toBe(failure);
});

it("never calls a write harmless whose answer was lost", () => {
  const lost = new Error("14 UNAVAILABLE: Connection dropped");
  expect(translate(lost, { writes: true })).toMatchObject({ applied: "unknown", cause: lost });
  expect(translate(lost, { writes: false })).toMatchObject({ applied: "no" });
  const unsent = new Error("14 UNAVAILABLE: No connection established");
  expect(translate(unsent, { writes: true })).toMatchObject({ applied: "no" });
});

it("gives each kind of failure its error", () => {
  const of = (text: string) => translate(new Error(text), { writes: true });
  expect(of("3 INVALID_ARGUMENT: etcdserver: request is too large")).toBeInstanceOf(ValueTooLargeError);
  expect(of("7 PERMISSION_DENIED: etcdserver: permission denied")).toBeInstanceOf(StorageUnavailableError);
  expect(of("5 NOT_FOUND: etcdserver: requested lease not found")).toBeInstanceOf(EtcdRefusal);
});
