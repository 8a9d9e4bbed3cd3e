import type { KubeObject } from "../../machinery/object.ts";
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
  const values = compileValues(root);
  return {
    root,
    prune: (object) => (nestsDeeperThan(object, MAX_DEPTH) ? [] : pruneObject(object, node)),
    applyDefaults: (object) => {
      if (!nestsDeeperThan(object, MAX_DEPTH)) defaultObject(object, node);
    },
    validate: (object, old) => {
      if (nestsDeeperThan(object, MAX_DEPTH)) {
        return [invalidValue(NO_FIELD, "", `the object must not be nested more than ${MAX_DEPTH} levels deep`)];
      }
      return [...checkValues(values, node, object, old), ...checkInvariants(node, object, old)];
    },
  };
}

function checkValues(
  values: ReturnType<typeof compileValues>,
  node: Node,
  object: KubeObject,
  old: KubeObject | undefined,
): FieldError[] {
  return values(object)
    .filter(({ pointer }) => old === undefined || !isUnchanged({ value: object, old, node }, pointer))
    .map(({ error }) => error);
}

/** Embedded objects and list types: an update may keep what was wrong before. */
function checkInvariants(node: Node, object: KubeObject, old: KubeObject | undefined): FieldError[] {
  return [checkEmbedded, checkListTypes].flatMap((check) => {
    const errors = check(object, node);
    const isRatcheted = errors.length > 0 && old !== undefined && check(old, node).length > 0;
    return isRatcheted ? [] : errors;
  });
}
