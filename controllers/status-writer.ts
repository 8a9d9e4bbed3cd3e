import { type ApiObject, apiVersion, type FieldOwner } from "../client/api-object.ts";
import type { RestClient } from "../client/rest.ts";
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../machinery/object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

export interface StatusWriterOptions {
  readonly client: Pick<RestClient, "apply">;
  /** `ferrite-<controller>` or `ferrite-agent-<host>`: owns what it writes. */
  readonly fieldManager: string;
}

/** Own status fields: what is absent here is given up. Of `conditions` only the own types, which others leave alone. */
export type OwnStatus = Readonly<Record<string, unknown>>;

/**
 * Applies own status fields, and only when the object does not have them already: a pass that changes nothing writes
 * nothing. The uid goes along, so that a status never lands on another object of the same name.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** True when something was written. `object` is what the status was made from, usually from the cache. */
  async write<T extends ApiObject>(
    type: ResourceType<T>,
    object: DeepReadonly<T> | T,
    status: OwnStatus,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const current = object as ApiObject & { readonly status?: unknown };
    const { name, namespace, uid, managedFields } = current.metadata;
    const { fieldManager, client } = this.#options;
    if (covers(current.status ?? {}, status) && !ownsMore(managedFields, fieldManager, status)) return false;
    const metadata = {
      ...(name === undefined ? {} : { name }),
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
    };
    const body = { apiVersion: apiVersion(type), kind: type.kind, metadata, status };
    await client.apply(type, body, { fieldManager, force: true, subresource: "status" }, signal);
    return true;
  }
}

/** Whether `actual` holds everything that is wanted. Lists must be equal, except conditions, which are by type. */
function covers(actual: unknown, wanted: unknown, field = ""): boolean {
  if (Array.isArray(wanted) && field === "conditions") {
    const found = Array.isArray(actual) ? actual : [];
    return wanted.every((each) => found.some((other) => other.type === each.type && covers(other, each)));
  }
  if (!isRecord(wanted)) return isDeepStrictEqual(actual, wanted);
  if (!isRecord(actual)) return false;
  return Object.entries(wanted).every(([key, value]) => value === undefined || covers(actual[key], value, key));
}

/** Whether this manager wrote a field before that it does not want any more: an apply takes it away. */
function ownsMore(entries: readonly FieldOwner[] | undefined, manager: string, status: OwnStatus): boolean {
  const own = entries?.find(
    (entry) => entry.manager === manager && entry.operation === "Apply" && entry.subresource === "status",
  );
  const fields = isRecord(own?.fieldsV1) ? own.fieldsV1["f:status"] : undefined;
  return isRecord(fields) && leads(fields, status);
}

/** Whether the field set leads to something that the value lacks. Keys are `f:name`, `k:{"type":"Ready"}`, `v:1`, `.`. */
function leads(fields: Readonly<Record<string, unknown>>, value: unknown): boolean {
  return Object.entries(fields).some(([key, inner]) => {
    if (key === "." || !isRecord(inner)) return false;
    const next = step(key, value);
    return next === undefined || leads(inner, next);
  });
}

function step(key: string, value: unknown): unknown {
  const rest = key.slice(2);
  if (key.startsWith("f:")) return isRecord(value) ? value[rest] : undefined;
  if (!Array.isArray(value)) return undefined;
  const wanted: unknown = JSON.parse(rest);
  if (key.startsWith("v:")) return value.find((each) => isDeepStrictEqual(each, wanted));
  return value.find((each) => isRecord(wanted) && covers(each, wanted));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
