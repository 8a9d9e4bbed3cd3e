import { compareElements, displayElement } from "./path-element.ts";

/**
 * A set of field paths, as a tree that mirrors FieldsV1. `self`: the path that leads here is in the set. Values of
 * this type are never changed once made; operations share what stays the same and keep no empty branches.
 */
export interface FieldSet {
  readonly self: boolean;
  /** By path element, see path-element.ts. */
  readonly fields: ReadonlyMap<string, FieldSet>;
}

const NO_FIELDS: ReadonlyMap<string, FieldSet> = new Map();
export const EMPTY: FieldSet = { self: false, fields: NO_FIELDS };
export const LEAF: FieldSet = { self: true, fields: NO_FIELDS };

export const isEmpty = (set: FieldSet): boolean => !set.self && set.fields.size === 0;

/** Makes a set of its parts; empty branches must have been left out. */
export function fieldSet(self: boolean, fields: ReadonlyMap<string, FieldSet>): FieldSet {
  if (fields.size === 0) return self ? LEAF : EMPTY;
  return { self, fields };
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || isEmpty(b)) return a;
  if (isEmpty(a)) return b;
  const fields = new Map(a.fields);
  for (const [element, inB] of b.fields) {
    const inA = fields.get(element);
    fields.set(element, inA === undefined ? inB : union(inA, inB));
  }
  return fieldSet(a.self || b.self, fields);
}

/** The paths of `a` that are not in `b`. Gives `a` itself when they have none in common. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return withoutFields(a, b, a.self && !b.self, difference);
}

/** The paths of `a` that are neither in `b` nor below one of `b`. */
export function differenceBelow(a: FieldSet, b: FieldSet): FieldSet {
  return b.self ? EMPTY : withoutFields(a, b, a.self, differenceBelow);
}

function withoutFields(a: FieldSet, b: FieldSet, self: boolean, subtract: typeof difference): FieldSet {
  if (b.fields.size === 0 || a.fields.size === 0) return self === a.self ? a : fieldSet(self, a.fields);
  let fields: Map<string, FieldSet> | undefined;
  for (const [element, inB] of b.fields) {
    const inA = a.fields.get(element);
    const rest = inA && subtract(inA, inB);
    if (rest === inA || rest === undefined) continue;
    fields ??= new Map(a.fields);
    if (isEmpty(rest)) fields.delete(element);
    else fields.set(element, rest);
  }
  return fields === undefined && self === a.self ? a : fieldSet(self, fields ?? a.fields);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const fields = new Map<string, FieldSet>();
  for (const [element, inA] of a.fields) {
    const inB = b.fields.get(element);
    const both = inB === undefined ? EMPTY : intersection(inA, inB);
    if (!isEmpty(both)) fields.set(element, both);
  }
  return fieldSet(a.self && b.self, fields);
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (a.self !== b.self || a.fields.size !== b.fields.size) return false;
  for (const [element, inA] of a.fields) {
    const inB = b.fields.get(element);
    if (inB === undefined || !equalSets(inA, inB)) return false;
  }
  return true;
}

/** The set with every member that has something below it in the set too: who owns `spec.size` holds up `spec`. */
export function withParents(set: FieldSet): FieldSet {
  if (set.fields.size === 0) return set;
  const fields = new Map<string, FieldSet>();
  for (const [element, child] of set.fields) {
    const { self, fields: below } = withParents(child);
    fields.set(element, fieldSet(self || (element.startsWith("f:") && below.size > 0), below));
  }
  return { self: set.self, fields };
}

/** Every path, in order, as people see it: `.spec.disks[name="a"].size`. */
export function displayPaths(set: FieldSet, prefix = ""): string[] {
  const own = set.self && prefix !== "" ? [prefix] : [];
  const elements = [...set.fields.keys()].sort(compareElements);
  return own.concat(
    elements.flatMap((element) => displayPaths(set.fields.get(element) ?? EMPTY, prefix + displayElement(element))),
  );
}
