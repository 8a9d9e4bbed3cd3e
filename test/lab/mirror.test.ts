import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../../hack/lab/cluster.ts";
import { Lab } from "../../hack/lab/lab.ts";

const NAME = "test-mirror";
const FOLDER = resolve(import.meta.dirname, "../../.ferrite/lab-cluster", NAME);
let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await Lab.start({ name: NAME, diesWithUs: true, log: (line) => console.log(line) });
  cluster = await Cluster.start(lab, FOLDER, ["alpha", "beta"]);
});

afterAll(async () => {
  await cluster.stop();
  await lab.stop();
  cluster.remove();
});

/** Seconds of an idle machine, stretched to this one. */
const seconds = (count: number): string => `${Math.ceil(count * Math.max(1, lab.timeFactor))}s`;
const waitFor = (what: string, condition: string, count = 60) =>
  cluster.kubectl("wait", what, `--for=${condition}`, `--timeout=${seconds(count)}`);
const jsonpath = (what: string, path: string) => cluster.kubectl("get", what, "-o", `jsonpath=${path}`);

const DEVICE = "/dev/drbd1000";

describe("a mirror of two disks", () => {
  it("registers both machines with their disks", async () => {
    await waitFor("host/alpha", "condition=Ready");
    await waitFor("host/beta", "condition=Ready");
    const serials = await jsonpath("host/alpha", "{.status.devices[*].byId}");
    expect(serials).toContain("/dev/disk/by-id/virtio-alpha-disk1");
  });

  it("is usable after kubectl apply, with one recorded first generation", async () => {
    await cluster.apply({
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "Mirror",
      metadata: { name: "m1", namespace: "default" },
      spec: {
        size: "64Mi",
        replicas: [
          { hostName: "alpha", device: "/dev/disk/by-id/virtio-alpha-disk1" },
          { hostName: "beta", device: "/dev/disk/by-id/virtio-beta-disk1" },
        ],
      },
    });
    await waitFor("mirror/m1", "condition=Ready");
    await waitFor("mirror/m1", "condition=InSync", 120);
    expect(await jsonpath("mirror/m1", "{.status.firstGeneration.state} {.status.primary}")).toBe(
      "GenerationSet alpha",
    );
    expect(await lab.guest("alpha").sh("cat /proc/drbd")).toMatch(
      /cs:Connected ro:Primary\/Secondary ds:UpToDate\/UpToDate/,
    );
    expect(await jsonpath("hostpair/alpha.beta", "{.status.mirrors[0].members}")).toBe('["alpha","beta"]');
  });

  it("keeps what is written on one side for the other, when the primary is moved", async () => {
    await lab
      .guest("alpha")
      .sh(`mkfs.ext4 -q ${DEVICE} && mount ${DEVICE} /mnt && echo kept >/mnt/file && umount /mnt`);
    await cluster.kubectl("patch", "mirror", "m1", "--type=merge", "-p", '{"spec":{"primary":{"hostName":"beta"}}}');
    await waitFor("mirror/m1", "jsonpath={.status.primary}=beta");
    await waitFor("mirror/m1", "condition=Ready");
    expect(await lab.guest("beta").sh(`mount ${DEVICE} /mnt && cat /mnt/file`)).toBe("kept\n");
  });

  it("does not demote a device that is in use, and says so", async () => {
    await cluster.kubectl("patch", "mirror", "m1", "--type=merge", "-p", '{"spec":{"primary":{"hostName":"alpha"}}}');
    await expect
      .poll(() => jsonpath("mirrorreplica/m1-beta", "{.status.conditions[?(@.type=='Ready')].message}"), {
        timeout: 120_000,
        interval: 1000,
      })
      .toMatch(/held open|in use/i);
    expect(await lab.guest("beta").sh("cat /mnt/file")).toBe("kept\n");
    await lab.guest("beta").sh("umount /mnt");
    await waitFor("mirror/m1", "jsonpath={.status.primary}=alpha");
  });

  it("goes on alone when the link is cut, and takes the peer in again after a resync", async () => {
    await lab.guest("beta").cutLink();
    const write = `mount ${DEVICE} /mnt && echo alone >/mnt/alone && sync && umount /mnt`;
    await lab.guest("alpha").sh(write, { timeoutMs: 120_000 });
    expect(await jsonpath("hostpair/alpha.beta", "{.status.mirrors[0].members}")).toBe('["alpha"]');
    await waitFor("mirror/m1", "condition=Degraded");
    await lab.guest("beta").restoreLink();
    await waitFor("mirror/m1", "condition=InSync", 120);
    await waitFor("mirror/m1", "condition=Degraded=False");
  });

  it("leaves nothing behind when it is deleted", async () => {
    await cluster.kubectl("delete", "mirror", "m1", `--timeout=${seconds(60)}`);
    for (const host of ["alpha", "beta"] as const) {
      expect(await lab.guest(host).sh("drbdsetup status 2>&1; ls /etc/drbd.d/*.res 2>/dev/null || true")).not.toContain(
        "m1",
      );
      expect(
        (await lab.guest(host).exec(["blkid", "-p", `/dev/disk/by-id/virtio-${host}-disk1`])).stdout,
      ).not.toContain("drbd");
    }
    expect(await cluster.kubectl("get", "allocations,mirrorreplicas", "-o", "name")).toBe("");
    expect(await jsonpath("hostpair/alpha.beta", "{.status.mirrors}")).toBe("[]");
  });
});
