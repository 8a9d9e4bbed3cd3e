import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { Random } from "../../machinery/random.ts";
import type { Caches } from "../caches.ts";
import type { User } from "../access/types.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { Presented } from "../objects/present.ts";
import type { Registry } from "../registry/registry.ts";
import type { PrinterColumn, Resource } from "../registry/types.ts";
import type { Storage } from "../storage/types.ts";

/** What the verbs work with; one for the whole server. */
export interface VerbContext {
  readonly storage: Storage;
  readonly caches: Caches;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly hooks: WriteHooks;
}

/** Called around every write of a stored object. */
export interface WriteHooks {
  /** Cross-object rules. Throws ApiError to refuse. `old` is absent on create, `updated` on delete. */
  admit(change: WriteChange): Promise<void>;
  /** Runs a whole write; for kinds that are judged together, after all that came before it. */
  exclusively<T>(resource: Resource, work: () => Promise<T>): Promise<T>;
  /** After the write is durable; must not throw. `result` is what is stored now, absent after a delete. */
  written(resource: Resource, result: Presented | undefined): void;
}

export interface WriteChange {
  readonly resource: Resource;
  readonly user: User;
  readonly operation: "create" | "update" | "delete";
  /** How the client asked for it. */
  readonly verb: "create" | "update" | "patch" | "apply" | "delete" | "deletecollection";
  readonly subresource: string;
  readonly old: KubeObject | undefined;
  readonly updated: KubeObject | undefined;
  readonly dryRun: boolean;
}

/** What a verb tells about a request beside its answer. */
export interface CallNotes {
  /** Adds a `Warning` header to the answer. */
  readonly warn: (text: string) => void;
  /** Notes for the audit log what the object in the body says of itself. */
  readonly sent: (metadata: ObjectMeta) => void;
}

/** One request on one resource, after authentication and authorization. */
export interface ApiCall extends CallNotes {
  readonly resource: Resource;
  readonly info: RequestInfo;
  readonly user: User;
  readonly query: URLSearchParams;
  readonly userAgent: string;
  readonly contentType: string | undefined;
  /** At most the body limit; throws RequestEntityTooLarge. */
  readonly body: () => Promise<Buffer>;
  /** Aborts when the client has gone or the server stops. */
  readonly signal: AbortSignal;
}

/** The verb of a write, with `apply` told from the other patches. */
export function writeVerb({ info, contentType }: ApiCall): WriteChange["verb"] {
  const { verb } = info;
  if (verb === "patch") return contentType?.startsWith("application/apply-patch+yaml") === true ? "apply" : "patch";
  return verb === "create" || verb === "update" || verb === "delete" || verb === "deletecollection" ? verb : "update";
}

/** What a verb answers; `http/` turns it into JSON or a Table. */
export type Reply =
  | ObjectReply
  | { readonly kind: "status"; readonly code: number; readonly body: object }
  | ListReply
  | WatchReply;

export interface ObjectReply {
  readonly kind: "object";
  readonly code: 200 | 201;
  readonly object: Presented;
  /** Of a Table, when the object is not of the resource's own kind. */
  readonly columns?: readonly PrinterColumn[];
}

export interface ListReply {
  readonly kind: "list";
  readonly items: readonly Presented[];
  readonly resourceVersion: string;
  readonly continue: string | undefined;
  readonly remainingItemCount: number | undefined;
}

export interface WatchReply {
  readonly kind: "watch";
  /** Batches: what is there at once is written at once. */
  readonly events: AsyncIterable<readonly WatchEvent[]>;
}

/** One event of a watch, before it is written out. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Presented }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly initialEventsEnd: boolean }
  | { readonly type: "ERROR"; readonly status: object };
