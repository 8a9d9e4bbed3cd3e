import protobuf from "protobufjs/minimal.js";
import { bytes, endOf, number, type Reader, readFields, readHeader, varint, type Writer } from "./fields.ts";

/**
 * The messages of etcd's API as far as we use them (etcd, api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto, 3.5): field
 * numbers in their tags below. Keys and values of ours are UTF-8; revisions stay below 2^53 for longer than any disk
 * lives; ids use all 64 bits and are decimal text.
 */
export interface KeyValue {
  readonly key: string;
  readonly modRevision: number;
  /** 1 for a key that was just created, 0 in the event of a delete. */
  readonly version: number;
  readonly value: string;
}

export function readKeyValue(reader: Reader, end: number): KeyValue {
  let key = "";
  let modRevision = 0;
  let version = 0;
  let value = "";
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === bytes(1)) key = reader.string();
    else if (tag === varint(3)) modRevision = number(reader);
    else if (tag === varint(4)) version = number(reader);
    else if (tag === bytes(5)) value = reader.string();
    else reader.skipType(tag & 7);
  }
  return { key, modRevision, version, value };
}

export interface RangeRequest {
  readonly key: string;
  /** Absent: that key alone. */
  readonly rangeEnd?: Buffer;
  readonly limit?: number;
  readonly revision?: number;
  readonly keysOnly?: boolean;
}

export function writeRange(writer: Writer, { key, rangeEnd, limit, revision, keysOnly }: RangeRequest): void {
  writer.uint32(bytes(1)).string(key);
  if (rangeEnd !== undefined) writer.uint32(bytes(2)).bytes(rangeEnd);
  if (limit !== undefined) writer.uint32(varint(3)).int64(limit);
  if (revision !== undefined) writer.uint32(varint(4)).int64(revision);
  if (keysOnly === true) writer.uint32(varint(8)).bool(true);
}

export interface RangeResponse {
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** Of all keys in the range, whatever the limit. */
  readonly count: number;
}

export function readRange(message: Buffer): RangeResponse {
  const reader = protobuf.Reader.create(message);
  return readRangeUntil(reader, message.length);
}

function readRangeUntil(reader: Reader, end: number): RangeResponse {
  const kvs: KeyValue[] = [];
  let revision = 0;
  let count = 0;
  readFields(reader, end, (tag) => {
    if (tag === bytes(1)) revision = readHeader(reader, endOf(reader));
    else if (tag === bytes(2)) kvs.push(readKeyValue(reader, endOf(reader)));
    else if (tag === varint(4)) count = number(reader);
    else return false;
    return true;
  });
  return { revision, kvs, count };
}

export interface PutRequest {
  readonly key: string;
  readonly value: string;
  readonly lease?: string;
}

export function writePut(writer: Writer, { key, value, lease }: PutRequest): void {
  writer.uint32(bytes(1)).string(key).uint32(bytes(2)).string(value);
  if (lease !== undefined) writer.uint32(varint(3)).int64(lease);
}

/**
 * One change of one key under one condition on it; when that does not hold, the key is read instead. All that we write
 * has this form.
 */
export interface TxnRequest {
  readonly key: string;
  /** 0: the key is absent. */
  readonly expect: { readonly modRevision: number } | { readonly version: number };
  readonly change: { readonly put: PutRequest } | "delete";
}

export function writeTxn(writer: Writer, { key, expect, change }: TxnRequest): void {
  // Compare: result 1 (0: equal) and target 2, key 3, and the value in a field of its own for each target.
  const compare = writer.uint32(bytes(1)).fork();
  if ("version" in expect) compare.uint32(bytes(3)).string(key).uint32(varint(4)).int64(expect.version).ldelim();
  else {
    compare.uint32(varint(2)).int32(COMPARE_MOD).uint32(bytes(3)).string(key);
    compare.uint32(varint(6)).int64(expect.modRevision).ldelim();
  }
  const success = writer.uint32(bytes(2)).fork();
  if (change === "delete") {
    success.uint32(bytes(3)).fork().uint32(bytes(1)).string(key).uint32(varint(3)).bool(true).ldelim();
  } else {
    writePut(success.uint32(bytes(2)).fork(), change.put);
    success.ldelim();
  }
  success.ldelim();
  writer.uint32(bytes(3)).fork().uint32(bytes(1)).fork().uint32(bytes(1)).string(key).ldelim().ldelim();
}

const COMPARE_MOD = 2;

export interface TxnResponse {
  readonly succeeded: boolean;
  /** Of the change, when it succeeded. */
  readonly revision: number;
  /** What was deleted, or what is there instead of what was expected. */
  readonly kv: KeyValue | undefined;
}

export function readTxn(message: Buffer): TxnResponse {
  const reader = protobuf.Reader.create(message);
  let succeeded = false;
  let revision = 0;
  let kv: KeyValue | undefined;
  readFields(reader, message.length, (tag) => {
    if (tag === bytes(1)) revision = readHeader(reader, endOf(reader));
    else if (tag === varint(2)) succeeded = reader.bool();
    else if (tag === bytes(3)) kv = readResponseOp(reader, endOf(reader));
    else return false;
    return true;
  });
  return { succeeded, revision, kv };
}

function readResponseOp(reader: Reader, end: number): KeyValue | undefined {
  let kv: KeyValue | undefined;
  readFields(reader, end, (tag) => {
    if (tag === bytes(1)) [kv] = readRangeUntil(reader, endOf(reader)).kvs;
    else if (tag === bytes(3)) kv = readDeleted(reader, endOf(reader));
    else return false;
    return true;
  });
  return kv;
}

function readDeleted(reader: Reader, end: number): KeyValue | undefined {
  let kv: KeyValue | undefined;
  readFields(reader, end, (tag) => {
    if (tag !== bytes(3)) return false;
    kv = readKeyValue(reader, endOf(reader));
    return true;
  });
  return kv;
}

export interface CompactionRequest {
  readonly revision: number;
  /** Answer only when the space is free. */
  readonly physical?: boolean;
}

export function writeCompaction(writer: Writer, { revision, physical }: CompactionRequest): void {
  writer.uint32(varint(1)).int64(revision);
  if (physical === true) writer.uint32(varint(2)).bool(true);
}
