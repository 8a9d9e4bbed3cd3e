// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { LocalRef, NamespacedMeta } from "./shared.ts";

/** One live migration of a VirtualMachine to another host. */
export type Migration = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Migration";
  readonly metadata: NamespacedMeta;
  readonly spec: MigrationSpec;
  readonly status?: MigrationStatus;
};

/** What is wanted. */
export interface MigrationSpec {
  /** The guest. */
  readonly virtualMachineRef: LocalRef;
  /** Where to; the controller chooses when absent. */
  readonly targetHost?: string;
  /** Give it up, as long as the guest still runs at the source. */
  readonly cancel: boolean;
}

/** How far it is. */
export interface MigrationStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /** The state in words. Ready: the guest runs at the target. */
  readonly conditions?: readonly Readonly<Condition>[];
  /** Pending, Preparing, Running, Switching, Succeeded, Failed or Cancelled. */
  readonly phase?: string;
  /** Where from. */
  readonly sourceHost?: string;
  /** Where to. */
  readonly targetHost?: string;
  /** How much of the memory is over, in percent. */
  readonly progress?: string;
  /** How long the guest stood still. */
  readonly pauseMilliseconds?: number;
  /** When it began. */
  readonly startTime?: string;
  /** When it ended. */
  readonly endTime?: string;
}

export const MIGRATIONS: ResourceType<Migration> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Migration",
  plural: "migrations",
  namespaced: true,
};
