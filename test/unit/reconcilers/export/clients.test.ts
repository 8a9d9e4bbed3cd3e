import { describe, expect, it } from "vitest";
import type { Export } from "../../../../crds/generated/export.ts";
import type { Host } from "../../../../crds/generated/host.ts";
import type { Import } from "../../../../crds/generated/import.ts";
import { allowedClients } from "../../../../reconcilers/export/clients.ts";

const hosts = ["beta", "gamma"].map(
  (name, index) => ({ metadata: { name, uid: `u-${name}` }, spec: { address: `192.0.2.${index + 2}` } }) as Host,
);
const reader = {
  list: () => hosts,
  get: ({ name }: { name: string }) => hosts.find((one) => one.metadata.name === name),
};
const exported = (over: Partial<Export["spec"]> = {}): Export => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Export",
  metadata: { namespace: "default", name: "e" },
  spec: {
    volumeRef: { name: "v" },
    protocol: "ISCSI",
    readOnly: false,
    clients: [{ hostName: "beta" }, { hostName: "gamma" }],
    ...over,
  },
});
const imported = (hostName: string, age: number, readOnly = false): Import => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Import",
  metadata: { namespace: "default", name: hostName, uid: hostName, creationTimestamp: `2026-01-01T00:00:0${age}Z` },
  spec: { exportRef: { name: "e" }, hostName, reconnectTimeout: "10m", readOnly },
});
const modes = (of: Export, ...imports: Import[]) =>
  allowedClients(of, imports, reader).map(({ iqn, readOnly }) => `${iqn?.split(".").at(-1)}=${readOnly ? "ro" : "rw"}`);

describe("allowedClients", () => {
  it("lets nobody in by name who imports nothing", () => {
    expect(modes(exported())).toEqual([]);
  });

  it("lets in the oldest of two that write, and not the other", () => {
    expect(modes(exported(), imported("beta", 2), imported("gamma", 1))).toEqual(["gamma=rw"]);
  });

  it("lets readers in beside the writer, as readers", () => {
    expect(modes(exported(), imported("beta", 1, true), imported("gamma", 2))).toEqual(["beta=ro", "gamma=rw"]);
  });

  it("lets everybody on the list read what is read-only", () => {
    expect(modes(exported({ readOnly: true }), imported("beta", 1), imported("gamma", 2))).toEqual([
      "beta=ro",
      "gamma=ro",
    ]);
  });

  it("does not let in a writer who is not on the list, and nobody in its place", () => {
    const of = exported({ clients: [{ hostName: "beta" }] });
    expect(modes(of, imported("gamma", 1), imported("beta", 2))).toEqual([]);
  });

  it("knows NBD's clients by address alone", () => {
    const of = exported({ protocol: "NBD", clients: [{ hostName: "gamma" }, { cidr: "198.51.100.0/24" }] });
    expect(allowedClients(of, [], reader).map(({ address }) => address)).toEqual(["192.0.2.3", "198.51.100.0/24"]);
  });
});
