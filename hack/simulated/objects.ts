/**
 * Objects for COUNT simulated machines, beside those of hack/lab/manifests/: node hack/simulated/objects.ts COUNT. A volume group on
 * each machine, and a mirror between each two neighbours.
 */
import { API_VERSION } from "../../crds/constants.ts";
import { hostNames } from "./cluster.ts";

const count = Number(process.argv[2]);
if (!Number.isInteger(count) || count < 2) throw new Error("usage: node hack/simulated/objects.ts COUNT, at least 2");
const hosts = hostNames(count);

const group = (hostName: string) => ({
  apiVersion: API_VERSION,
  kind: "VolumeGroup",
  metadata: { name: `${hostName}-disks` },
  spec: {
    hostName,
    physicalVolumes: [1, 2].map((number) => ({ device: `/dev/disk/by-id/virtio-${hostName}-disk${number}` })),
    thinPool: { size: "1Gi" },
  },
});
const mirror = (hosts: readonly string[], number: number) => ({
  apiVersion: API_VERSION,
  kind: "Mirror",
  metadata: { name: `vmimage${String(number).padStart(3, "0")}`, namespace: "default" },
  spec: {
    size: "1Gi",
    replicas: hosts.map((hostName) => ({ hostName, volumeGroupRef: { name: `${hostName}-disks` } })),
    primary: { hostName: hosts[0] },
  },
});
const objects = [
  ...hosts.map(group),
  ...hosts.slice(1, -1).map((host, index) => mirror([host, hosts[index + 2] ?? host], index + 2)),
];
process.stdout.write(objects.map((object) => `---\n${JSON.stringify(object)}\n`).join(""));
