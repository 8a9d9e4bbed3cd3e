import { expect, it } from "vitest";
import type { KeyValue } from "../../../../../apiserver/storage/etcd/messages/kv.ts";
import type { WatchEvent } from "../../../../../apiserver/storage/etcd/messages/watch.ts";
import { isAtLeast } from "../../../../../apiserver/storage/etcd/version.ts";
import { changeOf, prefixEnd } from "../../../../../apiserver/storage/etcd/wire.ts";

const kv = (modRevision: number, version: number, value = "{}"): KeyValue => ({
  key: "/k",
  value,
  modRevision,
  version,
});
const event = (type: WatchEvent["type"], now: KeyValue, before?: KeyValue) => ({ type, kv: now, prevKv: before });

it.each([
  ["/registry/a/", "/registry/a0"],
  ["/a\u007f", "/a\u0080"],
])("ends the range of %j", (prefix, end) => {
  const bytes = Buffer.from(prefix);
  expect(prefixEnd(prefix).compare(bytes)).toBe(1);
  expect(prefixEnd(prefix).toString("latin1")).toBe(end);
});

it("knows the prefix of all keys, which has no end", () => {
  expect(prefixEnd("")).toEqual(Buffer.from([0]));
});

it("decodes a create, a change and a delete", () => {
  expect(changeOf(event("put", kv(5, 1)))).toMatchObject({ type: "put", previous: undefined });
  expect(changeOf(event("put", kv(6, 2), kv(5, 1, '{"a":1}')))).toMatchObject({
    type: "put",
    stored: { revision: 6 },
    previous: { revision: 5, value: '{"a":1}' },
  });
  expect(changeOf(event("delete", kv(7, 0, ""), kv(6, 2, '{"a":2}')))).toMatchObject({
    type: "delete",
    stored: { key: "/k", revision: 7, value: '{"a":2}' },
    previous: { revision: 6 },
  });
});

it("never takes a change for a create because the state before is gone", () => {
  expect(changeOf(event("put", kv(6, 2)))).toBeUndefined();
  expect(changeOf(event("delete", kv(7, 0, "")))).toBeUndefined();
});

it.each([
  ["3.5.16", true],
  ["3.5.8", true],
  ["3.6.0-rc.1", true],
  ["4.0.0", true],
  ["3.5.7", false],
  ["3.4.30", false],
  ["3.10.1", true],
  ["unknown", false],
  ["", false],
])("etcd %s is new enough: %s", (version, enough) => {
  expect(isAtLeast(version, "3.5.8")).toBe(enough);
});
