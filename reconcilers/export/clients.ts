import type { Export } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { Import } from "../../crds/generated/import.ts";
import type { ExportClient } from "../../executors/export-server.ts";
import type { ObjectReader } from "../object-access.ts";
import { hostNqn, initiatorName } from "./names.ts";

/**
 * Who is let in. A host connects from its address for exports, whichever of its addresses people gave to it. Where the server
 * does not itself refuse a second writer, those alone are let in whose Import has the right to the device: the oldest
 * of those that write, and all that read.
 */
export function allowedClients(
  exported: Export,
  imports: readonly Import[],
  hosts: ObjectReader<Host>,
): readonly ExportClient[] {
  const { protocol, readOnly, clients = [] } = exported.spec;
  const named = clients.flatMap(({ hostName, cidr }): ExportClient[] => {
    if (cidr !== undefined) return [{ address: cidr, readOnly }];
    const host = hosts.get({ namespace: "", name: hostName ?? "" });
    if (host?.spec.address === undefined) return [];
    if (protocol === "NBD") return [{ address: host.spec.address, readOnly }];
    const mode = modeOf(host.metadata.name, exported, imports);
    if (mode === undefined) return [];
    const nqn = hostNqn(host);
    const names = { iqn: initiatorName(host.metadata.name), ...(nqn === undefined ? {} : { nqn }) };
    return [{ address: host.spec.address, ...names, readOnly: mode === "ro" }];
  });
  return named.filter(({ address }, index) => named.findIndex((each) => each.address === address) === index);
}

/** How a host may use an export, by its Imports there; `undefined`: not at all. */
function modeOf(hostName: string, exported: Export, imports: readonly Import[]): "rw" | "ro" | undefined {
  const { metadata, spec } = exported;
  const all = imports.filter(
    (each) => each.metadata.namespace === metadata.namespace && each.spec.exportRef.name === metadata.name,
  );
  const here = all.filter((each) => each.spec.hostName === hostName);
  const age = ({ metadata: { creationTimestamp = "", uid = "" } }: Import) => `${creationTimestamp} ${uid}`;
  const [writer] = all
    .filter((each) => !each.spec.readOnly && !spec.readOnly)
    .sort((a, b) => (age(a) < age(b) ? -1 : 1));
  if (writer?.spec.hostName === hostName) return "rw";
  return here.some((each) => each.spec.readOnly || spec.readOnly) ? "ro" : undefined;
}
