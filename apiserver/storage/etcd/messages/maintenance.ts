import protobuf from "protobufjs/minimal.js";
import { bytes, endOf, id, number, type Reader, readFields, varint, type Writer } from "./fields.ts";

export function writeLeaseGrant(writer: Writer, ttlSeconds: number): void {
  writer.uint32(varint(1)).int64(ttlSeconds);
}

/** The id of the lease. */
export function readLeaseGrant(message: Buffer): string {
  const reader = protobuf.Reader.create(message);
  let lease = "0";
  readFields(reader, message.length, (tag) => {
    if (tag !== varint(2)) return false;
    lease = id(reader.int64(), true);
    return true;
  });
  return lease;
}

export interface StatusResponse {
  readonly version: string;
  /** Of the file. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

export function readStatus(message: Buffer): StatusResponse {
  const reader = protobuf.Reader.create(message);
  let [version, sizeBytes, usedBytes] = ["", 0, 0];
  readFields(reader, message.length, (tag) => {
    if (tag === bytes(2)) version = reader.string();
    else if (tag === varint(3)) sizeBytes = number(reader);
    else if (tag === varint(9)) usedBytes = number(reader);
    else return false;
    return true;
  });
  return { version, sizeBytes, usedBytes };
}

/** An alarm of one member. */
export interface Alarm {
  readonly memberId: string;
  /** 1: out of space. */
  readonly type: number;
}
export const ALARM_NO_SPACE = 1;
const ALARM_DEACTIVATE = 2;

/** `undefined`: asks for all that are active. */
export function writeAlarm(writer: Writer, deactivate: Alarm | undefined): void {
  if (deactivate === undefined) return;
  writer.uint32(varint(1)).int32(ALARM_DEACTIVATE);
  writer.uint32(varint(2)).uint64(deactivate.memberId);
  writer.uint32(varint(3)).int32(deactivate.type);
}

export function readAlarms(message: Buffer): readonly Alarm[] {
  const reader = protobuf.Reader.create(message);
  const alarms: Alarm[] = [];
  readFields(reader, message.length, (tag) => {
    if (tag !== bytes(2)) return false;
    alarms.push(readAlarm(reader, endOf(reader)));
    return true;
  });
  return alarms;
}

function readAlarm(reader: Reader, end: number): Alarm {
  let [memberId, type] = ["0", 0];
  readFields(reader, end, (tag) => {
    if (tag === varint(1)) memberId = id(reader.uint64(), false);
    else if (tag === varint(2)) type = reader.int32();
    else return false;
    return true;
  });
  return { memberId, type };
}

/** The next bytes of a snapshot. */
export function readSnapshot(message: Buffer): Uint8Array {
  const reader = protobuf.Reader.create(message);
  let blob: Uint8Array = Buffer.alloc(0);
  readFields(reader, message.length, (tag) => {
    if (tag !== bytes(3)) return false;
    blob = reader.bytes();
    return true;
  });
  return blob;
}

export function writeAuthenticate(writer: Writer, username: string, password: string): void {
  writer.uint32(bytes(1)).string(username).uint32(bytes(2)).string(password);
}

/** The token. */
export function readAuthenticate(message: Buffer): string {
  const reader = protobuf.Reader.create(message);
  let token = "";
  readFields(reader, message.length, (tag) => {
    if (tag !== bytes(2)) return false;
    token = reader.string();
    return true;
  });
  return token;
}
