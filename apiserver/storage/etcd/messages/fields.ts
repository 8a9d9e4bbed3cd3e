import type protobuf from "protobufjs/minimal.js";

/** What the readers and writers of etcd's messages share: tags (number and wire type of a field) and the walk over fields. */
export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** The tag of a number, a boolean or an enum. */
export const varint = (field: number): number => field << 3;
/** The tag of text, bytes or a message. */
export const bytes = (field: number): number => (field << 3) | 2;

/** An int64 that stays below 2^53: a revision, a size, a count. */
export function number(reader: Reader): number {
  const { high, low } = reader.int64();
  return high * 2 ** 32 + (low >>> 0);
}

/** All 64 bits of an id, as decimal text. */
export function id({ high, low }: { readonly high: number; readonly low: number }, signed: boolean): string {
  const bits = (BigInt(high) << 32n) | BigInt(low >>> 0);
  return String(signed ? bits : BigInt.asUintN(64, bits));
}

/** Reads one message: `field` gets each tag, and returns false for those that it does not know. */
export function readFields(reader: Reader, end: number, field: (tag: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!field(tag)) reader.skipType(tag & 7);
  }
}

/** The end of the message that starts here, behind its length. */
export const endOf = (reader: Reader): number => reader.uint32() + reader.pos;

/** The revision in a ResponseHeader. */
export function readHeader(reader: Reader, end: number): number {
  let revision = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === varint(3)) revision = number(reader);
    else reader.skipType(tag & 7);
  }
  return revision;
}
