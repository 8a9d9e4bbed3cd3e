import protobuf from "protobufjs/minimal.js";
import { bytes, endOf, number, type Reader, readFields, readHeader, varint, type Writer } from "./fields.ts";
import { type KeyValue, readKeyValue } from "./kv.ts";

export interface WatchCreateRequest {
  readonly key: string;
  readonly rangeEnd?: Buffer;
  /** The first revision to be told of; absent: from now on. */
  readonly startRevision?: number;
  /** With the state before each change. */
  readonly prevKv?: boolean;
}

/** Always with progress notifications, and with large answers in parts. */
export function writeWatchCreate(writer: Writer, request: WatchCreateRequest): void {
  const { key, rangeEnd, startRevision, prevKv } = request;
  const create = writer.uint32(bytes(1)).fork().uint32(bytes(1)).string(key);
  if (rangeEnd !== undefined) create.uint32(bytes(2)).bytes(rangeEnd);
  if (startRevision !== undefined) create.uint32(varint(3)).int64(startRevision);
  create.uint32(varint(4)).bool(true);
  if (prevKv === true) create.uint32(varint(6)).bool(true);
  create.uint32(varint(8)).bool(true).ldelim();
}

export function writeWatchProgress(writer: Writer): void {
  writer.uint32(bytes(3)).fork().ldelim();
}

export interface WatchEvent {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
}

export interface WatchResponse {
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: what was asked for has been compacted. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More of the same answer follows. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export function readWatch(message: Buffer): WatchResponse {
  const reader = protobuf.Reader.create(message);
  let [revision, created, canceled, compactRevision, cancelReason, fragment] = [0, false, false, 0, "", false];
  const events: WatchEvent[] = [];
  readFields(reader, message.length, (tag) => {
    if (tag === bytes(1)) revision = readHeader(reader, endOf(reader));
    else if (tag === varint(3)) created = reader.bool();
    else if (tag === varint(4)) canceled = reader.bool();
    else if (tag === varint(5)) compactRevision = number(reader);
    else if (tag === bytes(6)) cancelReason = reader.string();
    else if (tag === varint(7)) fragment = reader.bool();
    else if (tag === bytes(11)) events.push(readEvent(reader, endOf(reader)));
    else return false;
    return true;
  });
  return { revision, created, canceled, compactRevision, cancelReason, fragment, events };
}

const NOTHING: KeyValue = { key: "", modRevision: 0, version: 0, value: "" };

function readEvent(reader: Reader, end: number): WatchEvent {
  let type: WatchEvent["type"] = "put";
  let kv = NOTHING;
  let prevKv: KeyValue | undefined;
  readFields(reader, end, (tag) => {
    if (tag === varint(1)) type = reader.int32() === 1 ? "delete" : "put";
    else if (tag === bytes(2)) kv = readKeyValue(reader, endOf(reader));
    else if (tag === bytes(3)) prevKv = readKeyValue(reader, endOf(reader));
    else return false;
    return true;
  });
  return { type, kv, prevKv };
}
