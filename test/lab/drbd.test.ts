import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResourceConfig } from "../../executors/drbd/config.ts";
import { type DesiredReplica, planRemoval, planReplica } from "../../executors/drbd/driver.ts";
import { observeReplica } from "../../executors/drbd/observe.ts";
import { apply } from "../../executors/driver.ts";
import { Lab } from "../../hack/lab/lab.ts";
import { guestExecutor } from "../../hack/lab/executor.ts";

const MIB = 2 ** 20;
const never = new AbortController().signal;
type HostName = "alpha" | "beta";
const ADDRESS = { alpha: "10.77.0.11", beta: "10.77.0.12" };
const LV = "/dev/vg0/r0";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start({ name: "test-drbd", diesWithUs: true });
  for (const host of ["alpha", "beta"] as const) {
    // Small, so that a first sync under emulation takes seconds.
    await lab.guest(host).sh(`vgcreate -q vg0 /dev/disk/by-id/virtio-${host}-disk1; lvcreate -qy -Zy -n r0 -L 64m vg0`);
    await lab.guest(host).sh("modprobe drbd");
  }
});
afterAll(async () => lab.stop());

const side = (nodeName: HostName) => ({ nodeName, address: ADDRESS[nodeName], disk: LV });

const config = (host: HostName, twoPrimaries: boolean): ResourceConfig => ({
  name: "r0",
  minor: 1000,
  port: 7900,
  local: side(host),
  peer: side(host === "alpha" ? "beta" : "alpha"),
  twoPrimaries,
  sharedSecret: "only for #this; {test}",
  tuning: {
    resyncRateBytes: undefined,
    activityLogExtents: 257,
    timeoutMs: 2500,
    connectIntervalMs: 3000,
    pingIntervalMs: 3000,
  },
});

type Wish = Partial<DesiredReplica> & { readonly twoPrimaries?: boolean };

const desired = (host: HostName, { twoPrimaries = false, ...rest }: Wish): DesiredReplica => ({
  config: config(host, twoPrimaries),
  metadata: "keep",
  mustBeFresh: false,
  connect: true,
  attach: true,
  role: "Secondary",
  firstGeneration: "none",
  sizeBytes: 60 * MIB,
  ...rest,
});

const observe = (host: HostName) => observeReplica("r0", LV, guestExecutor(lab.guest(host)), never);

/** One pass of a host's agent: what it did, or why it could not. */
async function pass(host: HostName, wish: Wish): Promise<string> {
  const exec = guestExecutor(lab.guest(host));
  const plan = planReplica(desired(host, wish), await observe(host));
  if (plan.kind === "blocked") return plan.reason;
  await apply(plan, exec, never);
  return plan.steps.map(({ why }) => why).join(", ");
}

/** Passes on both hosts in turn until neither has anything to do and both disks are UpToDate. */
async function settle(wishes: Readonly<Record<HostName, Wish>>): Promise<void> {
  await expect
    .poll(
      async () => {
        const done = [await pass("alpha", wishes.alpha), await pass("beta", wishes.beta)];
        const { kernel } = await observe("alpha");
        return [...done, kernel?.device?.diskState, kernel?.connection?.peerDiskState];
      },
      { timeout: 180_000 * lab.timeFactor, interval: 500 },
    )
    .toEqual(["", "", "UpToDate", "UpToDate"]);
}

const sum = async (host: HostName, device: string) =>
  (await lab.guest(host).sh(`dd if=${device} bs=1M count=50 iflag=direct status=none | sha256sum`)).trim();

// One mirror's life: every test goes on from the one before.
describe("DRBD 8.4 on a real kernel", () => {
  it("makes no metadata unless it may", async () => {
    expect(await pass("alpha", {})).toBe("write the configuration of r0");
    expect(await pass("alpha", {})).toBe("MetadataMissing");
  });

  it("makes no metadata on a file system, whatever it may", async () => {
    await lab.guest("beta").sh(`mkfs.ext4 -q ${LV}`);
    const may: Wish = { metadata: "may-create" };
    expect(await pass("beta", may)).toBe("write the configuration of r0");
    expect(await pass("beta", may)).toBe("DeviceHoldsData");
    await lab.guest("beta").sh(`wipefs -qa ${LV}; dd if=/dev/zero of=${LV} bs=1M count=64 oflag=direct status=none`);
  });

  it("begins with one data set on both sides", async () => {
    const may: Wish = { metadata: "may-create" };
    await settle({ alpha: { ...may, firstGeneration: "full-sync", role: "Primary" }, beta: may });
    expect((await observe("beta")).currentUUID).toBe((await observe("alpha")).currentUUID);
  });

  it("has what was written on both sides", async () => {
    await lab
      .guest("alpha")
      .sh("dd if=/dev/urandom of=/dev/drbd1000 bs=1M count=50 oflag=direct conv=fsync status=none");
    expect(await sum("beta", LV)).toBe(await sum("alpha", "/dev/drbd1000"));
  });

  it("does not promote against a primary", async () => {
    expect(await pass("beta", { role: "Primary" })).toBe("PeerIsPrimary");
  });

  it("applies a changed setting even when the first attempt died after writing the file", async () => {
    const alpha = guestExecutor(lab.guest("alpha"));
    const plan = planReplica(desired("alpha", { twoPrimaries: true, role: "Primary" }), await observe("alpha"));
    if (plan.kind === "blocked") throw new Error(plan.message);
    await apply({ kind: "steps", steps: plan.steps.slice(0, 1) }, alpha, never);
    await settle({ alpha: { twoPrimaries: true, role: "Primary" }, beta: { twoPrimaries: true } });
    for (const host of ["alpha", "beta"] as const)
      expect(await lab.guest(host).sh("drbdsetup show r0")).toMatch(/allow-two-primaries\s+yes/);
    await settle({ alpha: { role: "Primary" }, beta: {} });
    for (const host of ["alpha", "beta"] as const)
      expect(await lab.guest(host).sh("drbdsetup show r0")).not.toMatch(/allow-two-primaries\s+yes/);
  });

  it("stays alone when told to, and changes settings without connecting", async () => {
    expect(await pass("beta", { connect: false })).toBe("disconnect r0 from its peer");
    const tuned = desired("beta", { connect: false });
    const config = { ...tuned.config, tuning: { ...tuned.config.tuning, activityLogExtents: 521 } };
    const exec = guestExecutor(lab.guest("beta"));
    for (let round = 0; round < 3; round++) {
      const plan = planReplica({ ...tuned, config }, await observe("beta"));
      if (plan.kind === "blocked") throw new Error(plan.message);
      await apply(plan, exec, never);
    }
    expect(await lab.guest("beta").sh("drbdsetup show r0")).toMatch(/al-extents\s+521/);
    expect((await observe("beta")).kernel?.connection?.state ?? "StandAlone").toBe("StandAlone");
  });

  it("comes back after a power cut of the other side", async () => {
    await lab.guest("beta").powerOff();
    await lab.guest("beta").powerOn();
    await lab.guest("beta").sh("modprobe drbd; vgchange -qay vg0");
    await settle({ alpha: { role: "Primary" }, beta: {} });
    expect(await sum("beta", LV)).toBe(await sum("alpha", "/dev/drbd1000"));
  });

  it("leaves nothing behind", async () => {
    for (const host of ["beta", "alpha"] as const) {
      const exec = guestExecutor(lab.guest(host));
      await apply(planRemoval("r0", await observe(host), { wipe: true }), exec, never);
      // A second look: metadata can be read, and wiped, only when the device is down.
      await apply(planRemoval("r0", await observe(host), { wipe: true }), exec, never);
      expect(await lab.guest(host).sh("drbdsetup events2 --now")).toBe("exists -\n");
      expect((await lab.guest(host).exec(["ls", "/etc/drbd.d"])).stdout).not.toContain("r0.res");
    }
  });
});
