import type { IEvent, IKeyValue } from "etcd3";
import { StoredValue } from "../value.ts";
import type { StorageChange } from "../types.ts";

/** The end of the range of all keys that start with `prefix`: the prefix with its last byte one higher. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  for (let last = end.length - 1; last >= 0; last--) {
    const byte = end[last] ?? 0;
    if (byte < 0xff) {
      end[last] = byte + 1;
      return end.subarray(0, last + 1);
    }
  }
  // Every key is in range: etcd's sign for "no end".
  return Buffer.from([0]);
}

/** etcd's revisions are int64 in decimal; they stay below 2^53 for longer than any disk lives. */
export function decodeRevision(text: string): number {
  return Number(text);
}

export function decodeKeyValue({ key, mod_revision, value }: IKeyValue): StoredValue {
  return new StoredValue(key.toString(), decodeRevision(mod_revision), value.toString());
}

/** `undefined` when etcd could not give the state before, because it has been compacted since. */
export function decodeEvent({ type, kv, prev_kv }: IEvent): StorageChange | undefined {
  const previous = prev_kv ? decodeKeyValue(prev_kv) : undefined;
  if (type === "Delete") {
    if (previous === undefined) return undefined;
    const stored = new StoredValue(previous.key, decodeRevision(kv.mod_revision), previous.value);
    return { type: "delete", stored, previous };
  }
  if (previous === undefined && kv.version !== "1") return undefined;
  return { type: "put", stored: decodeKeyValue(kv), previous };
}
