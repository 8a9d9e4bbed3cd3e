// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { LocalRef, NamespacedMeta, SecretRef } from "./shared.ts";

/** A block device offered on the network to the clients that it names. An Export of a Mirror follows its primary. */
export type Export = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Export";
  readonly metadata: NamespacedMeta;
  readonly spec: ExportSpec;
  readonly status?: ExportStatus;
};

/** What is offered, how and to whom. */
export interface ExportSpec {
  /** A Volume: a logical volume on the host that holds it. */
  readonly volumeRef?: LocalRef;
  /** A Mirror: the replicated device, on the host that is its primary. */
  readonly mirrorRef?: LocalRef;
  /** An Import: a device that another host exports. */
  readonly importRef?: LocalRef;
  /** How it is offered. */
  readonly protocol: "NBD" | "ISCSI" | "NVMeTCP";
  /**
   * Name by which clients ask for it, unique in the cluster. Absent: this object's name, with the namespace in
   * front unless that is default.
   */
  readonly exportName?: string;
  /** Refuse writes. */
  readonly readOnly: boolean;
  /** Who may connect; nobody when empty. A client that is taken off the list is cut off at once. */
  readonly clients?: readonly ExportClient[];
  /** iSCSI and NVMe only: Secret with the keys username and password. */
  readonly chapSecretRef?: SecretRef;
  /** NBD only: encrypt, and know clients by certificate. */
  readonly tls?: ExportTls;
}

/** NBD only: encrypt, and know clients by certificate. */
export interface ExportTls {
  /** Secret with the keys tls.crt, tls.key and ca.crt. */
  readonly secretRef: SecretRef;
}

/** One client. */
export interface ExportClient {
  /** A host of this cluster. */
  readonly hostName?: string;
  /** A network such as 192.0.2.0/24 or an address such as 192.0.2.7/32. */
  readonly cidr?: string;
}

/** What is offered now. */
export interface ExportStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /** The state in words. Ready: clients can connect. */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The host that serves it now. */
  readonly hostName?: string;
  /** Address that it listens on. */
  readonly address?: string;
  /** TCP port. */
  readonly port?: number;
  /** Export name, IQN or NQN that clients ask for. */
  readonly target?: string;
  /** Who is connected. */
  readonly connectedClients?: readonly ConnectedClient[];
}

/** One connection. */
export interface ConnectedClient {
  /** The client's address and port. */
  readonly address: string;
  /** The host of this cluster that it is. */
  readonly hostName?: string;
  /** Since when. */
  readonly since?: string;
}

export const EXPORTS: ResourceType<Export> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Export",
  plural: "exports",
  namespaced: true,
};
