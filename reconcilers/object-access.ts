import type { Condition, ObjectMeta } from "../machinery/object.ts";
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

/** What a reconciler may do to objects that it makes for another one. */
export interface ObjectMaker<T extends Pick<Reconciled, "metadata">> extends ObjectReader<T> {
  /** Makes it, or brings the named fields to these values and takes back own fields that are left out. */
  apply(object: Made<T>): Promise<void>;
  /** `taken`: an object of that name is there, whoever made it. */
  create(object: Made<T>): Promise<"created" | "taken">;
  /** Asks for its deletion, by uid; finalizers may keep it. */
  delete(object: T): Promise<void>;
}

/** An object as its maker writes it: the server adds the rest. */
export type Made<T extends Pick<Reconciled, "metadata">> = Omit<T, "metadata" | "status"> & {
  readonly metadata: Pick<ObjectMeta, "name" | "namespace" | "labels" | "annotations" | "ownerReferences">;
};

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
