import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, it } from "vitest";
import type { Writer } from "../../../../../apiserver/storage/etcd/messages/fields.ts";
import {
  readRange,
  readTxn,
  type TxnRequest,
  writeCompaction,
  writePut,
  writeRange,
  writeTxn,
} from "../../../../../apiserver/storage/etcd/messages/kv.ts";
import {
  readAlarms,
  readAuthenticate,
  readLeaseGrant,
  readSnapshot,
  readStatus,
  writeAlarm,
  writeAuthenticate,
  writeLeaseGrant,
} from "../../../../../apiserver/storage/etcd/messages/maintenance.ts";
import {
  readWatch,
  writeWatchCreate,
  writeWatchProgress,
} from "../../../../../apiserver/storage/etcd/messages/watch.ts";

/** etcd's own definitions, as far as we use them, by a second implementation: protobufjs' reflection. */
const { root } = protobuf.parse(
  `syntax = "proto3";
  message KeyValue { bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3; int64 version = 4; bytes value = 5; int64 lease = 6; }
  message Event { enum Type { PUT = 0; DELETE = 1; } Type type = 1; KeyValue kv = 2; KeyValue prev_kv = 3; }
  message Header { uint64 cluster_id = 1; uint64 member_id = 2; int64 revision = 3; uint64 raft_term = 4; }
  message RangeRequest { bytes key = 1; bytes range_end = 2; int64 limit = 3; int64 revision = 4; int32 sort_order = 5; int32 sort_target = 6;
    bool serializable = 7; bool keys_only = 8; bool count_only = 9; }
  message RangeResponse { Header header = 1; repeated KeyValue kvs = 2; bool more = 3; int64 count = 4; }
  message PutRequest { bytes key = 1; bytes value = 2; int64 lease = 3; bool prev_kv = 4; }
  message PutResponse { Header header = 1; KeyValue prev_kv = 2; }
  message DeleteRangeRequest { bytes key = 1; bytes range_end = 2; bool prev_kv = 3; }
  message DeleteRangeResponse { Header header = 1; int64 deleted = 2; repeated KeyValue prev_kvs = 3; }
  message RequestOp { oneof request { RangeRequest request_range = 1; PutRequest request_put = 2; DeleteRangeRequest request_delete_range = 3; } }
  message ResponseOp { oneof response { RangeResponse response_range = 1; PutResponse response_put = 2; DeleteRangeResponse response_delete_range = 3; } }
  message Compare { enum Result { EQUAL = 0; GREATER = 1; } enum Target { VERSION = 0; CREATE = 1; MOD = 2; VALUE = 3; }
    Result result = 1; Target target = 2; bytes key = 3; oneof target_union { int64 version = 4; int64 create_revision = 5; int64 mod_revision = 6; bytes value = 7; } }
  message TxnRequest { repeated Compare compare = 1; repeated RequestOp success = 2; repeated RequestOp failure = 3; }
  message TxnResponse { Header header = 1; bool succeeded = 2; repeated ResponseOp responses = 3; }
  message CompactionRequest { int64 revision = 1; bool physical = 2; }
  message WatchRequest { oneof request_union { WatchCreateRequest create_request = 1; WatchCancelRequest cancel_request = 2; WatchProgressRequest progress_request = 3; } }
  message WatchCreateRequest { bytes key = 1; bytes range_end = 2; int64 start_revision = 3; bool progress_notify = 4; repeated int32 filters = 5;
    bool prev_kv = 6; int64 watch_id = 7; bool fragment = 8; }
  message WatchCancelRequest { int64 watch_id = 1; }
  message WatchProgressRequest { }
  message WatchResponse { Header header = 1; int64 watch_id = 2; bool created = 3; bool canceled = 4; int64 compact_revision = 5; string cancel_reason = 6;
    bool fragment = 7; repeated Event events = 11; }
  message LeaseGrantRequest { int64 TTL = 1; int64 ID = 2; }
  message LeaseGrantResponse { Header header = 1; int64 ID = 2; int64 TTL = 3; string error = 4; }
  message StatusResponse { Header header = 1; string version = 2; int64 dbSize = 3; uint64 leader = 4; uint64 raftIndex = 5; uint64 raftTerm = 6;
    uint64 raftAppliedIndex = 7; repeated string errors = 8; int64 dbSizeInUse = 9; bool isLearner = 10; }
  message AlarmRequest { int32 action = 1; uint64 memberID = 2; int32 alarm = 3; }
  message AlarmMember { uint64 memberID = 1; int32 alarm = 2; }
  message AlarmResponse { Header header = 1; repeated AlarmMember alarms = 2; }
  message SnapshotResponse { Header header = 1; uint64 remaining_bytes = 2; bytes blob = 3; }
  message AuthenticateRequest { string name = 1; string password = 2; }
  message AuthenticateResponse { Header header = 1; string token = 2; }`,
  { keepCase: true },
);
const PLAIN = { longs: String, enums: String, bytes: String };

/** What etcd reads from what we write. */
function seen(type: string, write: (writer: Writer) => void): unknown {
  const writer = protobuf.Writer.create();
  write(writer);
  const message = root.lookupType(type).decode(writer.finish());
  return root.lookupType(type).toObject(message, PLAIN);
}

/** What etcd writes. */
function sent(type: string, content: object): Buffer {
  const problem = root.lookupType(type).verify(content);
  if (problem !== null) throw new Error(problem);
  return Buffer.from(root.lookupType(type).encode(root.lookupType(type).fromObject(content)).finish());
}

const b64 = (text: string) => Buffer.from(text).toString("base64");
// Not empty, not 0: the second implementation does not tell those from what was left out.
const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 });
const revision = fc.maxSafeInteger().filter((each) => each > 0);
const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String);
const leaseId = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String);
const Long = protobuf.util.Long as unknown as { fromString(text: string, unsigned: boolean): protobuf.Long };
const long = (value: string) => Long.fromString(value, true);
const header = (at: number) => ({
  cluster_id: long("18446744073709551615"),
  member_id: long("9"),
  revision: at,
  raft_term: 3,
});
const kvOf = (key: string, modRevision: number, version: number, value: string) => ({
  key: Buffer.from(key),
  create_revision: 2,
  mod_revision: modRevision,
  version,
  value: Buffer.from(value),
  lease: 7,
});

it("writes transactions as etcd reads them", () => {
  fc.assert(
    fc.property(text, revision, text, fc.option(leaseId), fc.boolean(), (key, number, value, lease, byVersion) => {
      const put = { key, value, ...(lease === null ? {} : { lease }) };
      const request: TxnRequest = {
        key,
        expect: byVersion ? { version: number } : { modRevision: number },
        change: { put },
      };
      const compare = byVersion ? { version: String(number) } : { target: "MOD", mod_revision: String(number) };
      expect(seen("TxnRequest", (writer) => writeTxn(writer, request))).toEqual({
        compare: [{ key: b64(key), ...compare }],
        success: [{ request_put: { key: b64(key), value: b64(value), ...(lease === null ? {} : { lease }) } }],
        failure: [{ request_range: { key: b64(key) } }],
      });
    }),
  );
  const remove: TxnRequest = { key: "/a", expect: { modRevision: 3 }, change: "delete" };
  expect(seen("TxnRequest", (writer) => writeTxn(writer, remove))).toMatchObject({
    success: [{ request_delete_range: { key: b64("/a"), prev_kv: true } }],
  });
});

it("writes every other request as etcd reads it", () => {
  const range = { key: "/a", rangeEnd: Buffer.from("/b"), limit: 500, revision: 2 ** 40, keysOnly: true };
  expect(seen("RangeRequest", (writer) => writeRange(writer, range))).toEqual({
    key: b64("/a"),
    range_end: b64("/b"),
    limit: "500",
    revision: String(2 ** 40),
    keys_only: true,
  });
  expect(seen("RangeRequest", (writer) => writeRange(writer, { key: "\0" }))).toEqual({ key: b64("\0") });
  expect(seen("PutRequest", (writer) => writePut(writer, { key: "k", value: "ü", lease: "-5" }))).toEqual({
    key: b64("k"),
    value: b64("ü"),
    lease: "-5",
  });
  const compaction = { revision: 2 ** 45 + 1, physical: true };
  expect(seen("CompactionRequest", (writer) => writeCompaction(writer, compaction))).toEqual({
    revision: String(2 ** 45 + 1),
    physical: true,
  });
  const watch = { key: "/a", rangeEnd: Buffer.from("/b"), startRevision: 9, prevKv: true };
  expect(seen("WatchRequest", (writer) => writeWatchCreate(writer, watch))).toEqual({
    create_request: {
      key: b64("/a"),
      range_end: b64("/b"),
      start_revision: "9",
      progress_notify: true,
      prev_kv: true,
      fragment: true,
    },
  });
  expect(seen("WatchRequest", writeWatchProgress)).toEqual({ progress_request: {} });
  expect(seen("LeaseGrantRequest", (writer) => writeLeaseGrant(writer, 3600))).toEqual({ TTL: "3600" });
  expect(seen("AlarmRequest", (writer) => writeAlarm(writer, undefined))).toEqual({});
  expect(seen("AuthenticateRequest", (writer) => writeAuthenticate(writer, "root", "geheim"))).toEqual({
    name: "root",
    password: "geheim",
  });
});

it("names members and leases exactly, beyond 2^53 too", () => {
  fc.assert(
    fc.property(id, leaseId, (member, lease) => {
      const alarm = sent("AlarmResponse", { header: header(1), alarms: [{ memberID: long(member), alarm: 1 }] });
      expect(readAlarms(alarm)).toEqual([{ memberId: member, type: 1 }]);
      expect(seen("AlarmRequest", (writer) => writeAlarm(writer, { memberId: member, type: 1 }))).toEqual({
        action: 2,
        memberID: member,
        alarm: 1,
      });
      expect(readLeaseGrant(sent("LeaseGrantResponse", { header: header(1), ID: long(lease), TTL: 9 }))).toBe(lease);
    }),
  );
});

it("reads ranges and transactions", () => {
  fc.assert(
    fc.property(text, revision, revision, text, (key, modRevision, at, value) => {
      const kvs = [kvOf(key, modRevision, 3, value), kvOf("/z", 1, 1, "{}")];
      expect(readRange(sent("RangeResponse", { header: header(at), kvs, more: true, count: 1234 }))).toEqual({
        revision: at,
        count: 1234,
        kvs: [
          { key, modRevision, version: 3, value },
          { key: "/z", modRevision: 1, version: 1, value: "{}" },
        ],
      });
      const there = [{ response_range: { header: header(0), kvs: kvs.slice(0, 1), count: 1 } }];
      expect(readTxn(sent("TxnResponse", { header: header(at), succeeded: false, responses: there }))).toEqual({
        succeeded: false,
        revision: at,
        kv: { key, modRevision, version: 3, value },
      });
      const deleted = [{ response_delete_range: { header: header(at), deleted: 1, prev_kvs: kvs.slice(0, 1) } }];
      expect(readTxn(sent("TxnResponse", { header: header(at), succeeded: true, responses: deleted })).kv).toEqual({
        key,
        modRevision,
        version: 3,
        value,
      });
    }),
  );
  const put = [{ response_put: { header: header(8) } }];
  expect(readTxn(sent("TxnResponse", { header: header(8), succeeded: true, responses: put }))).toEqual({
    succeeded: true,
    revision: 8,
    kv: undefined,
  });
});

it("reads what a watch says", () => {
  const events = [
    { type: 0, kv: kvOf("/a", 5, 1, "new") },
    { type: 0, kv: kvOf("/b", 6, 2, "b2"), prev_kv: kvOf("/b", 4, 1, "b1") },
    { type: 1, kv: { key: Buffer.from("/c"), mod_revision: 6 }, prev_kv: kvOf("/c", 3, 1, "c") },
  ];
  expect(readWatch(sent("WatchResponse", { header: header(6), watch_id: 2, fragment: true, events }))).toEqual({
    revision: 6,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: true,
    events: [
      { type: "put", kv: { key: "/a", modRevision: 5, version: 1, value: "new" }, prevKv: undefined },
      {
        type: "put",
        kv: { key: "/b", modRevision: 6, version: 2, value: "b2" },
        prevKv: { key: "/b", modRevision: 4, version: 1, value: "b1" },
      },
      {
        type: "delete",
        kv: { key: "/c", modRevision: 6, version: 0, value: "" },
        prevKv: { key: "/c", modRevision: 3, version: 1, value: "c" },
      },
    ],
  });
  const gone = { header: header(0), created: true, canceled: true, compact_revision: 77, cancel_reason: "why" };
  expect(readWatch(sent("WatchResponse", gone))).toMatchObject({
    created: true,
    canceled: true,
    compactRevision: 77,
    cancelReason: "why",
    events: [],
  });
});

it("reads status, snapshots and tokens", () => {
  const status = { header: header(1), version: "3.5.16", dbSize: 2 ** 33, leader: 1, errors: ["x"], dbSizeInUse: 4096 };
  expect(readStatus(sent("StatusResponse", status))).toEqual({
    version: "3.5.16",
    sizeBytes: 2 ** 33,
    usedBytes: 4096,
  });
  const piece = sent("SnapshotResponse", { header: header(1), remaining_bytes: 9, blob: Buffer.from("piece") });
  expect(Buffer.from(readSnapshot(piece)).toString()).toBe("piece");
  expect(readAuthenticate(sent("AuthenticateResponse", { header: header(1), token: "abc.1" }))).toBe("abc.1");
});

it("refuses a message that is cut", () => {
  const whole = sent("RangeResponse", { header: header(5), kvs: [kvOf("/a", 5, 1, "value")], count: 1 });
  expect(() => readRange(whole.subarray(0, 20))).toThrow(RangeError);
});
