import type { FieldError } from "../status.ts";
import { compileRules } from "./cel/compile.ts";
import { Meter } from "./cel/meter.ts";
import { checkValueRules } from "./cel/validate.ts";
import { defaultObject } from "./defaults.ts";
import { checkEmbedded } from "./embedded.ts";
import { invalidValue, NO_FIELD } from "./field-error.ts";
import { checkListTypes } from "./list-type.ts";
import { buildNode, type Node, nestsDeeperThan, someNode } from "./node.ts";
import { pruneObject } from "./prune.ts";
import { Ratchet } from "./ratchet.ts";
import type { CompiledSchema, SchemaNode } from "./types.ts";
import { compileValues } from "./values.ts";

/** Objects that nest deeper are refused unread: functions below recurse once per level. */
const MAX_DEPTH = 500;

/** Makes a schema that `validateStructural` passed ready for use. */
export function compileSchema(root: SchemaNode): CompiledSchema {
  const node = buildNode(root);
  const check = compileChecks(root, node, { isResource: true });
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
  { isResource }: { readonly isResource: boolean },
): (value: unknown, old?: unknown) => readonly FieldError[] {
  const values = compileValues(schema);
  const meter = new Meter();
  const rules = compileRules(schema, { isResource, meter });
  const invariants = invariantsOf(node);
  return (value, old) => {
    if (nestsDeeperThan(value, MAX_DEPTH)) {
      return [invalidValue(NO_FIELD, "", `the object must not be nested more than ${MAX_DEPTH} levels deep`)];
    }
    const ratchet = old === undefined ? undefined : new Ratchet(value, old, node);
    const isExcused = (pointer: readonly string[]): boolean => ratchet?.isUnchanged(pointer) === true;
    const errors = [...values(value, isExcused), ...checkInvariants(invariants, { value, old, node })];
    if (rules === undefined) return errors;
    if (errors.some(({ reason }) => BLOCKING.has(reason)))
      return [...errors, invalidValue(NO_FIELD, null, NOT_CHECKED)];
    return [...errors, ...checkValueRules(rules, { value, old, isExcused }, meter)];
  };
}

/** Errors after which rules would be given values of types or sizes that they were not made for. */
const BLOCKING: ReadonlySet<FieldError["reason"]> = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);
const NOT_CHECKED =
  "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

type Invariant = typeof checkEmbedded;

/** Most schemas have nothing of the kind: then objects are not walked. */
function invariantsOf(node: Node): readonly Invariant[] {
  const found: Invariant[] = [];
  if (someNode(node, ({ embedded }) => embedded)) found.push(checkEmbedded);
  if (someNode(node, ({ schema }) => schema["x-kubernetes-list-type"] !== undefined)) found.push(checkListTypes);
  return found;
}

/** Embedded objects and list types: an update may keep what was wrong before. */
function checkInvariants(
  invariants: readonly Invariant[],
  { value, old, node }: { value: unknown; old: unknown; node: Node },
): FieldError[] {
  return invariants.flatMap((check) => {
    const errors = check(value, node);
    const isRatcheted = errors.length > 0 && old !== undefined && check(old, node).length > 0;
    return isRatcheted ? [] : errors;
  });
}
