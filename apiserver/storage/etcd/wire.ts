import type { StorageChange } from "../types.ts";
import { StoredValue } from "../value.ts";
import type { KeyValue } from "./messages/kv.ts";
import type { WatchEvent } from "./messages/watch.ts";

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

export const storedOf = ({ key, modRevision, value }: KeyValue): StoredValue =>
  new StoredValue(key, modRevision, value);

/** `undefined` when etcd could not give the state before, because it has been compacted since. */
export function changeOf({ type, kv, prevKv }: WatchEvent): StorageChange | undefined {
  const previous = prevKv === undefined ? undefined : storedOf(prevKv);
  if (type === "delete") {
    if (previous === undefined) return undefined;
    const stored = new StoredValue(previous.key, kv.modRevision, previous.value);
    return { type: "delete", stored, previous };
  }
  if (previous === undefined && kv.version !== 1) return undefined;
  return { type: "put", stored: storedOf(kv), previous };
}
