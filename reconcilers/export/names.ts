import type { Export } from "../../crds/generated/export.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";

/** Names the export's files on its host; unique in the cluster. */
export const exportKey = ({ metadata }: Export): string => onDiskName(metadata.namespace, metadata.name);

/** What clients ask for; claimed by an Allocation. */
export const exportNameOf = (exported: Export): string => exported.spec.exportName ?? exportKey(exported);

/** nbd-server's own section; the protocol has no other name that is taken. */
const RESERVED = "generic";

/** What is wrong with the name; `undefined` when nothing is. */
export const exportNameProblem = (name: string): string | undefined =>
  name === RESERVED ? `exportName cannot be ${RESERVED}: nbd-server keeps that name for itself` : undefined;

/** Why a protocol cannot be served; `undefined` when it can. */
export function protocolProblem({ spec }: Export): string | undefined {
  if (spec.protocol !== "NBD")
    return `protocol ${spec.protocol} is not supported by this version; use NBD: see docs/exports.md`;
  if (spec.tls !== undefined)
    return "the kernel's NBD client has no TLS: leave tls out and keep exports on a network of their own";
  return undefined;
}
