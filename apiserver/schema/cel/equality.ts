import { entriesOf } from "./object.ts";

/** Times, durations, quantities, addresses: equal when they print alike. */
interface Printable {
  toString(): string;
}

/** Equality of engine values: numbers across types, lists and maps by content, anything with `equals` by itself. */
export function celEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const isNumeric = (value: unknown): boolean => typeof value === "bigint" || typeof value === "number";
  // oxlint-disable-next-line eqeqeq -- 1 == 1n is what CEL means
  if (isNumeric(a) && isNumeric(b)) return (a as number) == (b as number);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => celEqual(item, b[i]));
  if (a instanceof Map) return b instanceof Map && mapsEqual(entriesOf(a), entriesOf(b));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return a.constructor === b.constructor && (a as Printable).toString() === (b as Printable).toString();
}

function mapsEqual(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!b.has(key) || !celEqual(value, b.get(key))) return false;
  return true;
}
