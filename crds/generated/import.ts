// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { LocalRef, NamespacedMeta } from "./shared.ts";

/**
 * An Export attached on a host, as the block device /dev/gnbd/<deviceName>. It finds the export again when that
 * moves to another host.
 */
export type Import = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Import";
  readonly metadata: NamespacedMeta;
  readonly spec: ImportSpec;
  readonly status?: ImportStatus;
};

/** What is attached where. */
export interface ImportSpec {
  /** The Export. */
  readonly exportRef: LocalRef;
  /** The host to attach it on. It may not be a host that serves the export. */
  readonly hostName: string;
  /** Name under /dev/gnbd; the export's name when absent. */
  readonly deviceName?: string;
  /** How long I/O waits for a lost export before it fails. A duration such as 90s or 1h30m. */
  readonly reconnectTimeout: string;
  /** Attach without the right to write. */
  readonly readOnly: boolean;
}

/** What is there. */
export interface ImportStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Ready: the device is there and its server answers. Connected: the connection to the
   * server stands.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The device: /dev/gnbd/<deviceName>. */
  readonly devicePath?: string;
  /** What it points to, such as /dev/nbd0. */
  readonly kernelDevice?: string;
  /** Address and port of the server. */
  readonly connectedTo?: string;
  /** Size of the device. A quantity. */
  readonly capacity?: string;
}

export const IMPORTS: ResourceType<Import> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Import",
  plural: "imports",
  namespaced: true,
};
