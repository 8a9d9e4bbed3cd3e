import type { FieldError } from "../status.ts";
import { defaultObject } from "./defaults.ts";
import { checkEmbedded } from "./embedded.ts";
import { invalidValue, NO_FIELD } from "./field-error.ts";
import { checkListTypes } from "./list-type.ts";
import { buildNode, type Node, nestsDeeperThan } from "./node.ts";
import { pruneObject } from "./prune.ts";
import { isUnchanged } from "./ratchet.ts";
import type { CompiledSchema, SchemaNode } from "./types.ts";
import { compileValues } from "./values.ts";

/** Objects that nest deeper are refused unread: functions below recurse once per level. */
const MAX_DEPTH = 500;

/** Makes a schema that `validateStructural` passed ready for use. */
export function compileSchema(root: SchemaNode): CompiledSchema {
  const node = buildNode(root);
  const check = compileChecks(root, node);
  return {
    root,
    prune: (object) => (nestsDeeperThan(object, MAX_DEPTH) ? [] : pruneObject(object, node)),
    applyDefaults: (object) => {
      if (!nestsDeeperThan(object, MAX_DEPTH)) defaultObject(object, node);
    },
    validate: (object, old) => check(object, old),
  };
}

/** All checks of a schema for one value, which need not be a whole object. */
export function compileChecks(
  schema: SchemaNode,
  node: Node,
): (value: unknown, old?: unknown) => readonly FieldError[] {
  const values = compileValues(schema);
  return (value, old) => {
    if (nestsDeeperThan(value, MAX_DEPTH)) {
      return [invalidValue(NO_FIELD, "", `the object must not be nested more than ${MAX_DEPTH} levels deep`)];
    }
    const root = { value, old, node };
    const wrong = values(value)
      .filter(({ pointer }) => old === undefined || !isUnchanged(root, pointer))
      .map(({ error }) => error);
    return [...wrong, ...checkInvariants(root)];
  };
}

/** Embedded objects and list types: an update may keep what was wrong before. */
function checkInvariants({ value, old, node }: { value: unknown; old: unknown; node: Node }): FieldError[] {
  return [checkEmbedded, checkListTypes].flatMap((check) => {
    const errors = check(value, node);
    const isRatcheted = errors.length > 0 && old !== undefined && check(old, node).length > 0;
    return isRatcheted ? [] : errors;
  });
}
