import { expect, it } from "vitest";
import { StorageUnavailableError, ValueTooLargeError } from "../../../../../apiserver/storage/errors.ts";
import { classify, EtcdRefusal, translate } from "../../../../../apiserver/storage/etcd/failures.ts";
import { errorOf, RpcError, type StatusName } from "../../../../../apiserver/storage/etcd/rpc/status.ts";

const sent = { sent: true };
const failed = (status: StatusName, text: string) => new RpcError(status, text, sent);

/** As etcd 3.5 words them. */
it.each([
  ["UNAVAILABLE", "connection dropped: the stream was closed with code 8", "unknown"],
  ["UNAVAILABLE", "etcdserver: request timed out", "unknown"],
  ["UNAVAILABLE", "etcdserver: leader changed", "unknown"],
  ["UNAVAILABLE", "etcdserver: no leader", "notApplied"],
  ["DEADLINE_EXCEEDED", "no answer within 5000 ms", "unknown"],
  ["INTERNAL", "anything", "unknown"],
  ["RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", "refused"],
  ["RESOURCE_EXHAUSTED", "grpc: received message larger than max (4194400 vs. 2097152)", "tooLarge"],
  ["RESOURCE_EXHAUSTED", "something new", "unknown"],
  ["INVALID_ARGUMENT", "etcdserver: request is too large", "tooLarge"],
  ["RESOURCE_EXHAUSTED", "etcdserver: too many requests", "notApplied"],
  ["OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted", "compacted"],
  ["OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision", "future"],
  ["NOT_FOUND", "etcdserver: requested lease not found", "leaseGone"],
  ["PERMISSION_DENIED", "etcdserver: permission denied", "refused"],
] as const)("takes %s %j for %s", (status, text, failure) => {
  expect(classify(failed(status, text))).toBe(failure);
});

it("takes whatever was never sent for harmless", () => {
  for (const status of ["UNAVAILABLE", "DEADLINE_EXCEEDED"] as const)
    expect(classify(new RpcError(status, "no connection", { sent: false }))).toBe("notApplied");
});

it("never calls a write harmless whose answer was lost", () => {
  const lost = failed("UNAVAILABLE", "connection dropped");
  expect(translate(lost, { writes: true })).toMatchObject({ applied: "unknown", cause: lost });
  expect(translate(lost, { writes: false })).toMatchObject({ applied: "no" });
  const unsent = new RpcError("UNAVAILABLE", "no connection", { sent: false });
  expect(translate(unsent, { writes: true })).toMatchObject({ applied: "no" });
});

it("gives each kind of failure its error", () => {
  const of = (error: RpcError) => translate(error, { writes: true });
  expect(of(failed("INVALID_ARGUMENT", "etcdserver: request is too large"))).toBeInstanceOf(ValueTooLargeError);
  expect(of(failed("PERMISSION_DENIED", "etcdserver: permission denied"))).toBeInstanceOf(StorageUnavailableError);
  expect(of(failed("NOT_FOUND", "etcdserver: requested lease not found"))).toBeInstanceOf(EtcdRefusal);
});

it("reads the status from a call's last headers", () => {
  expect(errorOf({ "grpc-status": "0" })).toBeUndefined();
  expect(errorOf({ "grpc-status": "11", "grpc-message": "50%25 %41" })).toMatchObject({
    status: "OUT_OF_RANGE",
    message: "OUT_OF_RANGE: 50% A",
    sent: true,
  });
  expect(errorOf({ "grpc-status": "7", "grpc-message": "100%" })?.message).toBe("PERMISSION_DENIED: 100%");
  for (const status of ["99", "", undefined]) expect(errorOf({ "grpc-status": status })?.status).toBe("UNKNOWN");
});
