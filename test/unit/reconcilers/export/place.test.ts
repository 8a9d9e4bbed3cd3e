import { describe, expect, it } from "vitest";
import type { Allocation } from "../../../../crds/generated/allocation.ts";
import type { Export, ExportStatus } from "../../../../crds/generated/export.ts";
import type { Import } from "../../../../crds/generated/import.ts";
import type { Mirror } from "../../../../crds/generated/mirror.ts";
import type { Volume } from "../../../../crds/generated/volume.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import type { Made } from "../../../../reconcilers/object-access.ts";
import { exportPlacementReconciler } from "../../../../reconcilers/export/place.ts";

const exported = (over: Partial<Export["spec"]> = {}, status?: ExportStatus, uid = "u1", name = "e"): Export => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Export",
  metadata: { namespace: "default", name, uid, generation: 1 },
  spec: { mirrorRef: { name: "m" }, protocol: "NBD", readOnly: false, ...over },
  ...(status === undefined ? {} : { status }),
});

const mirror = (primary?: string): Mirror =>
  ({ metadata: { namespace: "default", name: "m" }, status: primary === undefined ? {} : { primary } }) as Mirror;

const reader = <T extends { metadata: { namespace?: string; name: string } }>(all: readonly T[]) => ({
  list: () => all,
  get: ({ namespace, name }: { namespace: string; name: string }) =>
    all.find(({ metadata }) => (metadata.namespace ?? "") === namespace && metadata.name === name),
});

/** A pass over the first export; the status that it wrote, by its shortest words. */
async function pass(exports: readonly Export[], mirrors: readonly Mirror[], claims: Allocation[] = []) {
  let written: ExportStatus | undefined;
  const name = exports[0]?.metadata.name ?? "e";
  const reconcile = exportPlacementReconciler({
    exports: {
      ...reader(exports),
      addFinalizer: () => Promise.resolve(),
      removeFinalizer: () => Promise.resolve(),
      writeStatus: (_, status) => {
        written = status;
        return Promise.resolve();
      },
      event: () => undefined,
    },
    allocations: {
      list: () => claims,
      get: (request) => claims.find(({ metadata }) => metadata.name === request.name),
      apply: () => Promise.reject(new Error("nothing is applied")),
      create: (made: Made<Allocation>) => {
        if (claims.some(({ metadata }) => metadata.name === made.metadata.name)) return Promise.resolve("taken");
        claims.push(made as Allocation);
        return Promise.resolve("created");
      },
      delete: (gone) => {
        claims.splice(claims.indexOf(gone), 1);
        return Promise.resolve();
      },
    },
    volumes: reader<Volume>([]),
    mirrors: reader(mirrors),
    imports: reader<Import>([]),
  });
  const context = {
    log: silentLogger,
    signal: new AbortController().signal,
    now: () => new Date(0),
  };
  await reconcile(context, { namespace: "default", name });
  const say = (type: string) => written?.conditions?.find((each) => each.type === type)?.reason;
  return { hostName: written?.hostName, placed: say("Placed"), ready: say("Ready"), claims };
}

describe("exportPlacementReconciler", () => {
  it("follows the mirror's primary, and leaves Ready to the agent there", async () => {
    const moved = exported({}, { hostName: "alpha" });
    expect(await pass([moved], [mirror("beta")])).toMatchObject({
      hostName: "beta",
      placed: "Placed",
      ready: undefined,
    });
  });

  it("keeps the last host while there is no primary", async () => {
    const seen = await pass([exported({}, { hostName: "alpha" })], [mirror()]);
    expect(seen).toMatchObject({ hostName: "alpha", placed: "NoPrimary", ready: undefined });
  });

  it("says Ready=False itself while no host can", async () => {
    expect(await pass([exported()], [])).toMatchObject({ hostName: undefined, ready: "SourceMissing" });
    expect(await pass([exported({ protocol: "NVMeTCP", readOnly: true })], [mirror("alpha")])).toMatchObject({
      hostName: undefined,
      ready: "ProtocolNotSupported",
    });
    expect(await pass([exported({ exportName: "generic" })], [mirror("alpha")])).toMatchObject({
      ready: "NameInvalid",
    });
  });

  it("claims the name once, whoever runs it, and refuses another's", async () => {
    const { claims } = await pass([exported()], [mirror("alpha")]);
    expect(claims.map(({ metadata }) => metadata.name)).toEqual(["export-e"]);
    const again = await pass([exported()], [mirror("alpha")], claims);
    expect(again).toMatchObject({ hostName: "alpha", placed: "Placed" });
    const other = exported({ exportName: "e" }, undefined, "u2", "other");
    expect(await pass([other, exported()], [mirror("alpha")], claims)).toMatchObject({
      hostName: undefined,
      ready: "NameTaken",
    });
    expect(claims).toHaveLength(1);
  });

  it("frees the name of an export that is gone or was made anew", async () => {
    const { claims } = await pass([exported()], [mirror("alpha")]);
    await pass([exported({}, undefined, "u9")], [mirror("alpha")], claims);
    expect(await pass([exported({}, undefined, "u9")], [mirror("alpha")], claims)).toMatchObject({ hostName: "alpha" });
    expect((await pass([], [], claims)).claims).toEqual([]);
  });
});
