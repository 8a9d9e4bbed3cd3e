import { describe, expect, it } from "vitest";
import { EXPORTS, type Export } from "../../../../crds/generated/export.ts";
import { IMPORTS, type Import } from "../../../../crds/generated/import.ts";
import { VOLUME_GROUPS, type VolumeGroup } from "../../../../crds/generated/volume-group.ts";
import { VOLUMES, type Volume } from "../../../../crds/generated/volume.ts";
import { refusal } from "../../../../reconcilers/import/refusal.ts";
import type { ResourceType } from "../../../../machinery/resource-type.ts";

const API = { apiVersion: "ferrite.dev/v1alpha1" } as const;

const imported = (name: string, over: Partial<Import["spec"]> = {}, age = 1, devicePath?: string): Import => ({
  ...API,
  kind: "Import",
  metadata: { namespace: "default", name, uid: name, creationTimestamp: `2026-01-01T00:00:0${age}Z` },
  spec: { exportRef: { name: "e-alpha" }, hostName: "gamma", reconnectTimeout: "10m", readOnly: false, ...over },
  ...(devicePath === undefined ? {} : { status: { devicePath } }),
});
/** An Export of a Volume on the host that its name ends with. */
const exported = (host: string, over: Partial<Export["spec"]> = {}): Export => ({
  ...API,
  kind: "Export",
  metadata: { namespace: "default", name: `e-${host}`, uid: `e-${host}` },
  spec: { volumeRef: { name: `v-${host}` }, protocol: "NBD", readOnly: false, ...over },
});
const volume = (host: string): Volume =>
  ({ metadata: { namespace: "default", name: `v-${host}` }, spec: { volumeGroupRef: { name: host } } }) as Volume;
const group = (host: string): VolumeGroup => ({ metadata: { name: host }, spec: { hostName: host } }) as VolumeGroup;

const HOSTS = ["alpha", "beta", "gamma"];
const reason = (one: Import, others: readonly Import[] = [], of = exported("alpha")) => {
  const imports = [one, ...others];
  const exports = HOSTS.map((host) => (of.metadata.name === `e-${host}` ? of : exported(host)));
  const world = new Map<unknown, readonly unknown[]>([
    [IMPORTS, imports],
    [EXPORTS, exports],
    [VOLUMES, HOSTS.map(volume)],
    [VOLUME_GROUPS, HOSTS.map(group)],
  ]);
  const lister = { list: <T>(type: ResourceType<T>) => (world.get(type) ?? []) as readonly T[] };
  return refusal(one, of, imports, lister)?.reason;
};

describe("refusal", () => {
  it("lets a single writer attach", () => {
    expect(reason(imported("a"))).toBeUndefined();
  });

  it("lets the older of two writers attach, on whichever host", () => {
    const old = imported("old", { hostName: "beta" }, 1);
    const young = imported("young", {}, 2);
    expect(reason(young, [old])).toBe("SecondWriter");
    expect(reason(old, [young])).toBeUndefined();
  });

  it("lets many read", () => {
    expect(reason(imported("b", { readOnly: true }, 2), [imported("a", { hostName: "beta" })])).toBeUndefined();
    const iso = exported("alpha", { readOnly: true });
    expect(reason(imported("b", {}, 2), [imported("a", { hostName: "beta" })], iso)).toBeUndefined();
  });

  it("refuses a device name that another import has on the host", () => {
    const other = imported("a", { exportRef: { name: "e-beta" }, deviceName: "d" }, 1, "/dev/gnbd/d");
    expect(reason(imported("b", { deviceName: "d" }, 2), [other])).toBe("DeviceNameTaken");
    expect(reason(imported("b", { deviceName: "d", hostName: "beta" }, 2), [other])).toBeUndefined();
  });

  it("refuses a circle of writable imports, over any number of hosts, but not of readers", () => {
    const second = imported("b", { exportRef: { name: "e-gamma" }, hostName: "beta" });
    const third = imported("c", { exportRef: { name: "e-beta" }, hostName: "alpha" });
    expect(reason(imported("a"), [second, third])).toBe("ImportCycle");
    expect(reason(imported("a"), [second])).toBeUndefined();
    const reader = imported("c", { exportRef: { name: "e-beta" }, hostName: "alpha", readOnly: true });
    expect(reason(imported("a"), [second, reader])).toBeUndefined();
  });

  it("refuses what a protocol cannot do", () => {
    const nvme = exported("alpha", { protocol: "NVMeTCP" });
    expect(reason(imported("a", { readOnly: true }), [], nvme)).toBe("ProtocolNotSupported");
    expect(reason(imported("a"), [], exported("alpha", { protocol: "NVMeTCP", readOnly: true }))).toBe(
      "ProtocolNotSupported",
    );
    const network = exported("alpha", { protocol: "ISCSI", clients: [{ cidr: "192.0.2.0/24" }] });
    expect(reason(imported("a"), [], network)).toBe("ProtocolNotSupported");
    expect(reason(imported("a"), [], exported("alpha", { protocol: "ISCSI" }))).toBeUndefined();
    const tls = exported("alpha", { tls: { secretRef: { name: "s" } } });
    expect(reason(imported("a"), [], tls)).toBe("ProtocolNotSupported");
  });

  it("refuses a second device of one export on one host, where the kernel has one for both", () => {
    const second = imported("b", { readOnly: true, deviceName: "other" }, 2);
    expect(reason(second, [imported("a")], exported("alpha", { protocol: "ISCSI" }))).toBe("DeviceNameTaken");
    expect(reason(second, [imported("a")])).toBeUndefined();
  });
});
