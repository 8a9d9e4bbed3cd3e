import { expect, it } from "vitest";
import type { Host } from "../../../../crds/generated/host.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { hostGoneReconciler } from "../../../../reconcilers/host-gone/reconcile.ts";
import type { ObjectAccess, Reconciled } from "../../../../reconcilers/object-access.ts";

const FINALIZER = "ferrite.dev/cleanup";

/** What it lets go of, of one object on `hostName`, with these Hosts in the API. */
async function letsGo(metadata: object, hostName: string | undefined, hosts: readonly string[]): Promise<boolean> {
  let removed = false;
  const object: Reconciled = { apiVersion: "v1", kind: "Volume", metadata: { name: "v", ...metadata } };
  const objects: ObjectAccess<Reconciled> = {
    get: () => object,
    list: () => [object],
    addFinalizer: () => Promise.reject(new Error("not its business")),
    writeStatus: () => Promise.reject(new Error("not its business")),
    removeFinalizer: async () => {
      removed = true;
    },
    event: () => undefined,
  };
  const reader = {
    get: ({ name }: { readonly name: string }) => (hosts.includes(name) ? ({ metadata: { name } } as Host) : undefined),
    list: () => [],
  };
  const reconcile = hostGoneReconciler({ objects, hosts: reader, hostOf: () => hostName });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  await reconcile(context, { namespace: "", name: "v" });
  return removed;
}

const deleted = { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [FINALIZER] };

it.each([
  ["whose host was deleted", deleted, "beta", ["alpha"], true],
  ["whose host is there, answering or not", deleted, "beta", ["alpha", "beta"], false],
  ["that has no host yet", deleted, undefined, ["alpha"], false],
  ["that nobody deletes", { finalizers: [FINALIZER] }, "beta", ["alpha"], false],
  ["that others hold too, but its agent not any more", { ...deleted, finalizers: ["other/one"] }, "beta", [], false],
] as const)("an object %s", async (_, metadata, hostName, hosts, expected) => {
  expect(await letsGo(metadata, hostName, hosts)).toBe(expected);
});
