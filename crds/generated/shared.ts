// Made by hack/generate from crds/definitions/. Do not edit.

import type { ObjectMeta } from "../../machinery/object.ts";

/** Metadata of an object that the API server returned. */
export interface ClusterMeta extends Readonly<ObjectMeta> {
  readonly name: string;
}

export interface NamespacedMeta extends ClusterMeta {
  readonly namespace: string;
}

/** An amount as Kubernetes writes it: `10Gi`, or a whole number of bytes. */
export type Quantity = string | number;

/**
 * Make this file system on the mirrored device, once. Made only when the device holds nothing; grown with the
 * device.
 */
export interface FileSystem {
  /** Kind of file system. */
  readonly type: "ext4" | "xfs";
  /** Label of the file system; xfs takes 12 characters at most. */
  readonly label?: string;
}

/** Copy of a disk image in raw form. */
export interface ImageSource {
  /** Where an agent fetches the image, by http or https. */
  readonly url?: string;
  /** Path of the image on the host that makes the device, below /var/lib/ferrite/images. */
  readonly path?: string;
  /** SHA-256 of the image, in hexadecimal. The device is not Ready before it was compared. */
  readonly sha256?: string;
}

/** Only on hosts with these labels. */
export interface LabelSelector {
  /** Labels and their values, all of which must be there. */
  readonly matchLabels?: Readonly<Record<string, string>>;
  /** Requirements on labels, all of which must hold. */
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

/** One requirement. */
export interface LabelSelectorRequirement {
  /** Label key. */
  readonly key: string;
  /** How the label's value relates to values. */
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** Values for In and NotIn. */
  readonly values?: readonly string[];
}

/** The guest. */
export interface LocalRef {
  /** Name of the object. */
  readonly name: string;
}

/** A Mirror whose device is the physical volume. */
export interface NamespacedRef {
  /** Namespace of the object. */
  readonly namespace: string;
  /** Name of the object. */
  readonly name: string;
}

/** Running resynchronisation; absent when there is none. */
export interface ResyncProgress {
  /** How much is done, in percent. */
  readonly percent?: string;
  /** When it will be done, at the present speed. */
  readonly finishTime?: string;
}

/** iSCSI and NVMe only: Secret with the keys username and password. */
export interface SecretRef {
  /** Name of the Secret, in the same namespace. */
  readonly name: string;
}
