import type { Condition } from "../machinery/object.ts";
import type { Request } from "../machinery/result.ts";

/** What reconcilers read: objects of one kind from a cache that has been filled. */
export interface ObjectReader<T> {
  get(request: Request): T | undefined;
  list(): readonly T[];
}

/** What a reconciler may do to the objects that it runs. Writes fail with the API's errors; nothing is retried here. */
export interface ObjectAccess<T extends Reconciled> extends ObjectReader<T> {
  addFinalizer(object: T, finalizer: string): Promise<void>;
  removeFinalizer(object: T, finalizer: string): Promise<void>;
  /** The writer's own status fields, all of them: what is left out goes. Writes only what differs. */
  writeStatus(object: T, status: NonNullable<T["status"]>): Promise<void>;
  /** Tells people what was changed in the world, or why it was not. */
  event(object: T, type: "Normal" | "Warning", reason: string, message: string): void;
}

/** The parts of an object that every reconciler of ours relies on. */
export interface Reconciled {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
  };
  readonly status?: { readonly conditions?: readonly Readonly<Condition>[]; readonly observedGeneration?: number };
}
