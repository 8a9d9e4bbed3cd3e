import type { Json } from "../../machinery/object.ts";
import { isObject, member } from "./json-value.ts";

/**
 * `$setElementOrder` of strategic merge patch: the items it names stand in its order; the others (only the server has
 * them) keep their order, and their place relative to the named items that were there before.
 */
export function orderItems(
  list: readonly Json[],
  order: readonly Json[],
  live: readonly Json[],
  keys: readonly string[],
): Json[] {
  const identity = (item: Json) => JSON.stringify(keys.length === 0 ? item : keys.map((key) => keyOf(item, key)));
  const rank = new Map(order.map((item, i) => [identity(item), i]));
  const place = new Map(live.map((item, i) => [identity(item), i]));
  const rankOf = (item: Json) => rank.get(identity(item));
  const named = list.filter((item) => rankOf(item) !== undefined).sort((a, b) => (rankOf(a) ?? 0) - (rankOf(b) ?? 0));
  const others = list.filter((item) => rankOf(item) === undefined);
  return interleave(named, others, (item) => place.get(identity(item)));
}

const keyOf = (item: Json, key: string): Json => (isObject(item) ? (member(item, key) ?? null) : null);

/** A named item goes first only when both were there before, and in that order. */
function interleave(named: Json[], others: Json[], placeOf: (item: Json) => number | undefined): Json[] {
  const ordered: Json[] = [];
  let next = 0;
  for (const other of others) {
    const place = placeOf(other) ?? -1;
    for (; next < named.length; next++) {
      const item = named[next] ?? null;
      const before = placeOf(item);
      if (before === undefined || before >= place) break;
      ordered.push(item);
    }
    ordered.push(other);
  }
  return [...ordered, ...named.slice(next)];
}
