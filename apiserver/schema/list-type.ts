import type { Json } from "../../machinery/object.ts";
import type { FieldError } from "../status.ts";
import { childPath, duplicate, goJson, indexPath, invalidValue, isObject, keyPath } from "./field-error.ts";
import type { Node } from "./node.ts";

/** Duplicates in lists of `x-kubernetes-list-type` set (whole items) and map (the map keys). */
export function checkListTypes(value: unknown, node: Node, path = ""): FieldError[] {
  if (Array.isArray(value)) return [...checkList(value, node, path), ...checkItems(value, node, path)];
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const property = node.properties.get(key);
    if (property !== undefined) return checkListTypes(child, property, childPath(path, key));
    return typeof node.additional === "object" ? checkListTypes(child, node.additional, keyPath(path, key)) : [];
  });
}

function checkItems(list: readonly unknown[], node: Node, path: string): FieldError[] {
  const { items } = node;
  if (items === undefined) return [];
  return list.flatMap((item, index) => checkListTypes(item, items, indexPath(path, index)));
}

function checkList(list: readonly unknown[], node: Node, path: string): FieldError[] {
  const type = node.schema["x-kubernetes-list-type"];
  if (type === "set") return duplicates(list, path);
  if (type !== "map") return [];
  const wrong = list.findIndex((item) => item !== null && !isObject(item));
  if (wrong >= 0) {
    return [invalidValue(indexPath(path, wrong), list[wrong], "must be an object for an array of list-type map")];
  }
  const keys = node.schema["x-kubernetes-list-map-keys"] ?? [];
  return duplicates(
    list.map((item) => mapKey(item, keys)),
    path,
  );
}

/** The part of an item that identifies it in a list of type map; keys that are missing stay missing. */
export function mapKey(item: unknown, keys: readonly string[]): Record<string, Json> {
  if (!isObject(item)) return {};
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key] ?? null]));
}

/** Each value is reported once, at its second appearance. */
function duplicates(values: readonly unknown[], path: string): FieldError[] {
  const seen = new Map<string, number>();
  return values.flatMap((value, index) => {
    const text = goJson(value);
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    return times === 2 ? [duplicate(indexPath(path, index), value)] : [];
  });
}
