import type { ObjectMeta } from "./object.ts";

/** What an Event is about. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Pick<ObjectMeta, "name" | "namespace" | "uid" | "resourceVersion">>;
}

export interface EventInput {
  /** Warning: something is wrong; Normal: something was done. */
  readonly type: "Normal" | "Warning";
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Takes notes for people, as Kubernetes Events. Never throws and never waits; notes can get lost. */
export interface EventRecorder {
  record(object: EventObject, event: EventInput): void;
}
