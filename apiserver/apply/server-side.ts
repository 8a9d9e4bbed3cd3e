import type { Json, JsonObject, KubeObject, ObjectMeta } from "../../machinery/object.ts";
import { badRequest } from "../status.ts";
import { compare, sameObject } from "./compare.ts";
import { conflictError, findConflicts } from "./conflict.ts";
import type { FieldSet } from "./field-set.ts";
import { EMPTY, isEmpty, union } from "./field-set.ts";
import { cloneJson, isObject } from "./json-value.ts";
import { allowedByLastApplied, syncLastApplied } from "./last-applied.ts";
import { disown, equalManagers, withManagedFields } from "./managed-fields.ts";
import type { Managers } from "./managers.ts";
import { applier, capUpdaters, decodeManagers, dropUnserved, encodeManagers, managerKey, updater } from "./managers.ts";
import { mergeApplied } from "./merge.ts";
import { ownedPart, unownedMetadata } from "./owned.ts";
import { pruneDisowned } from "./prune.ts";
import { toFieldSet } from "./to-field-set.ts";
import type { ApplyRequest, ServerSideApply } from "./types.ts";
import type { Typing } from "./typing.ts";
import { memberTyping, rootTyping } from "./typing.ts";

/** The manager of everything that stood in an object before anybody applied to it, when nobody tracked its fields. */
const BEFORE_FIRST_APPLY = "before-first-apply";

export const serverSideApply: ServerSideApply = (request) => {
  const { live, writer } = request;
  const typing = rootTyping(request.schema);
  checkRequest(request);
  const applied = appliedPart(request, typing);
  const own = managerKey(applier(writer));
  const managers = liveManagers(request, typing);
  const former = new Map(managers);
  const last = managers.get(own);
  managers.set(own, { ...applier(writer), time: last?.time, set: appliedFields(typing, applied, request.applied) });

  const before = ownedPart(live, request.resetFields);
  const merged = mergeApplied(typing, before, applied) as JsonObject;
  const after = pruneDisowned(typing, merged, last?.set ?? EMPTY, managers);
  const changes = compare(typing, before, after);
  refuseConflicts(request, typing, managers, union(changes.modified, changes.added));
  disown(managers, union(union(changes.modified, changes.added), changes.removed), own);
  if (live !== undefined && sameObject(changes) && equalManagers(managers, former))
    return finish(request, cloneJson(live));
  stamp(managers, own, writer.time);
  capUpdaters(managers);

  return finish(request, withManagedFields(assemble(request, after), encodeManagers(managers)));
};

const finish = ({ writer, applied }: ApplyRequest, result: KubeObject): KubeObject =>
  writer.manager === "kubectl" ? syncLastApplied(result, applied) : result;

function checkRequest({ applied, writer }: ApplyRequest): void {
  if (writer.manager === "") throw badRequest("fieldManager is required for apply patch");
  if (!isObject(applied.metadata)) throw badRequest("metadata: an applied object must have metadata");
  if (applied.apiVersion !== writer.apiVersion) {
    const versions = `Specified patch version: ${applied.apiVersion}, expected: ${writer.apiVersion}`;
    throw badRequest(`Incorrect version specified in apply patch. ${versions}`);
  }
  const { managedFields } = applied.metadata;
  if (managedFields !== undefined && managedFields !== null) throw badRequest("metadata.managedFields must be nil");
}

function appliedPart({ applied, resetFields }: ApplyRequest, typing: Typing): JsonObject {
  const part = withoutNulls(typing, ownedPart(applied, resetFields)) as JsonObject;
  if (isObject(part.metadata) && Object.keys(part.metadata).length === 0) delete part.metadata;
  return part;
}

/** Members that are null are as good as absent, unless null is a value there: else no apply would be idempotent. */
function withoutNulls(typing: Typing, value: Json): Json {
  if (!isObject(value)) return Array.isArray(value) ? value.map((item) => withoutNulls(typing?.items, item)) : value;
  const kept: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const inside = memberTyping(typing, key);
    if (item !== null || inside?.nullable === true) kept[key] = withoutNulls(inside, item);
  }
  return kept;
}

function liveManagers({ live, writer, resetFields, isServed }: ApplyRequest, typing: Typing): Managers {
  const managers = decodeManagers(live?.metadata.managedFields ?? []);
  if (managers === undefined) throw badRequest("failed to decode managed fields of the stored object");
  if (managers.size > 0 || live === undefined) {
    dropUnserved(managers, isServed);
    return managers;
  }
  const { added } = compare(typing, { metadata: {} }, ownedPart(live, resetFields));
  const identity = updater({ ...writer, manager: BEFORE_FIRST_APPLY });
  if (!isEmpty(added)) managers.set(managerKey(identity), { ...identity, time: writer.time, set: added });
  return managers;
}

function appliedFields(typing: Typing, applied: JsonObject, whole: KubeObject): FieldSet {
  const problems: string[] = [];
  const set = toFieldSet(typing, applied, (path, text) => problems.push(`${path}: ${text}`));
  const [first] = problems;
  if (first === undefined) return set;
  const text = problems.length === 1 ? first : `errors:\n${problems.map((problem) => `  ${problem}`).join("\n")}`;
  throw badRequest(`failed to create typed patch object (${describe(whole)}): ${text}`);
}

function describe({ apiVersion, kind, metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name ?? ""}; ${apiVersion}, Kind=${kind}`;
}

function refuseConflicts(request: ApplyRequest, typing: Typing, managers: Managers, changed: FieldSet): void {
  const { force, live, writer, resetFields } = request;
  if (force || isEmpty(changed)) return;
  const own = managerKey(applier(writer));
  const conflicts = findConflicts(managers, own, changed, EMPTY);
  if (conflicts.length === 0) return;
  if (writer.manager !== "kubectl" || live === undefined) throw conflictError(conflicts);
  const remaining = findConflicts(managers, own, changed, allowedByLastApplied(typing, live, resetFields));
  if (remaining.length > 0) throw conflictError(remaining);
}

function stamp(managers: Managers, own: string, time: string): void {
  const entry = managers.get(own);
  if (entry === undefined) return;
  if (isEmpty(entry.set)) managers.delete(own);
  else managers.set(own, { ...entry, time });
}

/** The whole object again: what cannot be owned comes from the live object, or from the applied one on create. */
function assemble({ live, applied, resetFields }: ApplyRequest, owned: JsonObject): KubeObject {
  const base = live ?? applied;
  const { apiVersion, kind } = applied;
  if (resetFields === "all-but-status") {
    const { status: _, ...rest } = base;
    return { ...cloneJson(rest), ...owned, apiVersion, kind, metadata: cloneJson(base.metadata) };
  }
  const metadata = { ...unownedMetadata(base.metadata), ...(owned.metadata as ObjectMeta) };
  const status = resetFields === "status" && live?.status !== undefined ? { status: cloneJson(live.status) } : {};
  return { ...owned, ...status, apiVersion, kind, metadata };
}
