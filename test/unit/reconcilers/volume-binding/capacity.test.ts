import { expect, it } from "vitest";
import type { Volume } from "../../../../crds/generated/volume.ts";
import type { VolumeGroup } from "../../../../crds/generated/volume-group.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import type { ObjectAccess } from "../../../../reconcilers/object-access.ts";
import { volumeBindingReconciler } from "../../../../reconcilers/volume-binding/reconcile.ts";

const GROUP: VolumeGroup = {
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "VolumeGroup",
  metadata: { name: "vg" },
  spec: { hostName: "alpha", physicalVolumes: [{ device: "/dev/sda" }], overwrite: false },
  status: {
    hostName: "alpha",
    size: "1Gi",
    free: "1Gi",
    extentSize: "4Mi",
    conditions: [{ type: "Ready", status: "True", reason: "x", message: "", lastTransitionTime: "" }],
  },
};

const volume = (name: string, size: string, spec: Partial<Volume["spec"]> = {}): Volume => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Volume",
  metadata: { name, namespace: "default", uid: `uid-${name}`, generation: 1 },
  spec: { volumeGroupRef: { name: "vg" }, size, thin: false, ...spec },
});

/** A cache that never hears of what is written: the worst that the binder must stand. */
function binder(volumes: readonly Volume[], group: VolumeGroup | undefined = GROUP) {
  const written = new Map<string, NonNullable<Volume["status"]>>();
  const access: ObjectAccess<Volume> = {
    get: ({ name }) => volumes.find(({ metadata }) => metadata.name === name),
    list: () => volumes,
    addFinalizer: async () => {},
    removeFinalizer: async () => {},
    writeStatus: async ({ metadata }, status) => void written.set(metadata.name, status),
    event: () => {},
  };
  const reconcile = volumeBindingReconciler({ volumes: access, volumeGroups: { get: () => group, list: () => [] } });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  return {
    bind: async (name: string) => {
      await reconcile(context, { namespace: "default", name });
      const status = written.get(name);
      return status?.hostName ?? status?.conditions?.[0]?.reason;
    },
  };
}

it("promises no space twice, even before its own writes come back", async () => {
  const { bind } = binder([volume("a", "600Mi"), volume("b", "400Mi"), volume("c", "100Mi")]);
  expect([await bind("a"), await bind("b"), await bind("c")]).toEqual(["alpha", "alpha", "InsufficientCapacity"]);
});

it("counts in whole extents", async () => {
  const { bind } = binder([volume("a", "1021Mi"), volume("b", "1Mi")]);
  expect([await bind("a"), await bind("b")]).toEqual(["alpha", "InsufficientCapacity"]);
});

it("counts the thin pool, and needs one for thin volumes", async () => {
  const withPool = { ...GROUP, spec: { ...GROUP.spec, thinPool: { size: "900Mi" } } };
  const { bind } = binder([volume("a", "200Mi"), volume("t", "1Ti", { thin: true })], withPool);
  expect([await bind("a"), await bind("t")]).toEqual(["InsufficientCapacity", "alpha"]);
  expect(await binder([volume("t", "1Gi", { thin: true })]).bind("t")).toBe("NoThinPool");
});

it("says when the group is missing", async () => {
  const world = binder([volume("a", "1Mi")]);
  expect(await world.bind("a")).toBe("alpha");
  const { bind } = binder([volume("a", "1Mi")], { ...GROUP, status: {} });
  expect(await bind("a")).toBe("VolumeGroupNotReady");
});

it("follows the only volume's group to where its mirror's primary goes", async () => {
  const volumes = [volume("a", "1Mi")];
  const { hostName: _, ...spec } = GROUP.spec;
  const group = { ...GROUP, spec, status: { ...GROUP.status, hostName: "alpha" } };
  const { bind } = binder(volumes, group);
  expect(await bind("a")).toBe("alpha");
  // The cache has heard of it, and the group has gone.
  volumes[0] = { ...volume("a", "1Mi"), status: { hostName: "alpha" } };
  group.status.hostName = "beta";
  expect(await bind("a")).toBe("beta");
});
