import type { Export } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import type { ExportProtocol } from "../../executors/export-server.ts";

/** Names the export's files on its host; unique in the cluster. */
export const exportKey = ({ metadata }: Export): string => onDiskName(metadata.namespace, metadata.name);

/** Claimed by an Allocation. */
export const exportNameOf = (exported: Export): string => exported.spec.exportName ?? exportKey(exported);

/** What clients ask for, in the words of the protocol; the same on every host that may serve it. */
export function targetOf(exported: Export): string {
  const name = exportNameOf(exported);
  const targets: Readonly<Record<ExportProtocol, string>> = {
    NBD: name,
    ISCSI: `iqn.2024-01.dev.ferrite:export.${name}`,
    NVMeTCP: `nqn.2024-01.dev.ferrite:export.${name}`,
  };
  return targets[exported.spec.protocol];
}

/** By what name an iSCSI server knows a host. */
export const initiatorName = (hostName: string): string => `iqn.2024-01.dev.ferrite:host.${hostName}`;

/** By what name an NVMe server knows a host; `undefined`: it has not registered. */
export const hostNqn = (host: Host | undefined): string | undefined =>
  host?.metadata.uid === undefined ? undefined : `nqn.2014-08.org.nvmexpress:uuid:${host.metadata.uid}`;

/** nbd-server's own section; the protocols have no other name that is taken. */
const RESERVED = "generic";

/** What is wrong with the name; `undefined` when nothing is. */
export const exportNameProblem = (name: string): string | undefined =>
  name === RESERVED ? `exportName cannot be ${RESERVED}: nbd-server keeps that name for itself` : undefined;

/** Why an export cannot be served by its protocol; `undefined` when it can. */
export function protocolProblem({ spec }: Export): string | undefined {
  if (spec.tls !== undefined)
    return "the kernel's NBD client has no TLS: leave tls out and keep exports on a network of their own";
  if (spec.protocol === "NBD") return undefined;
  if (spec.protocol === "NVMeTCP" && spec.readOnly)
    return "the kernel's NVMe target cannot refuse writes: use protocol NBD or ISCSI for a read-only export";
  if (spec.clients?.some(({ cidr }) => cidr !== undefined))
    return `protocol ${spec.protocol} knows clients by name, not by address: name hosts instead of networks in spec.clients`;
  return undefined;
}
