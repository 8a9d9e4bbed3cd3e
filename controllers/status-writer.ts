import { type ApiObject, apiVersion } from "../client/api-object.ts";
import type { RestClient } from "../client/rest.ts";
import type { DeepReadonly } from "../machinery/object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { covers, ownFields, ownsMore } from "./applied.ts";

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
    const own = ownFields(managedFields, fieldManager, "status")?.["f:status"];
    if (covers(current.status ?? {}, status) && !ownsMore(own, status)) return false;
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
