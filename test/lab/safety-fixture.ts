import { expect, vi } from "vitest";
import { Fixture } from "./cluster-fixture.ts";
import { type StorageHost, Writers } from "./writer-fixture.ts";

export const DEVICE = "/dev/drbd1000";
const BOTH = ["alpha", "beta"] as const;

/** A lab with one mirror between alpha and beta, primary on alpha, and writers on both hosts. */
export class Safety {
  readonly f: Fixture;
  readonly writers: Writers;

  private constructor(f: Fixture, writers: Writers) {
    this.f = f;
    this.writers = writers;
  }

  /** `disks`: on the whole third disk of each host, which can fail without LVM; else on thin volumes. */
  static async start(name: string, { disks = false } = {}): Promise<Safety> {
    const f = await Fixture.start(name, BOTH);
    const writers = new Writers(f.lab, DEVICE);
    for (const host of BOTH) await f.waitFor(`host/${host}`, "condition=Ready");
    if (!disks) await f.makeVolumeGroups();
    await f.apply("Mirror", "m1", {
      size: "32Mi",
      replicas: BOTH.map((hostName) =>
        disks
          ? { hostName, device: `/dev/disk/by-id/virtio-${hostName}-disk3` }
          : { hostName, volumeGroupRef: { name: `vg-${hostName}` } },
      ),
    });
    await f.waitFor("mirror/m1", "condition=Ready", 120);
    await f.waitFor("mirror/m1", "condition=InSync", 300);
    for (const host of BOTH) await writers.start(host);
    await writers.progress("alpha");
    return new Safety(f, writers);
  }

  stop(): Promise<void> {
    return this.f.stop();
  }

  on(host: StorageHost, script: string): Promise<string> {
    return this.f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
  }

  /** With its writer, as early as it can be: whatever it wrongly lets be written is recorded. */
  async powerOn(host: StorageHost): Promise<void> {
    await this.f.lab.guest(host).powerOn();
    await this.writers.start(host);
  }

  members(): Promise<string> {
    return this.f.get("hostpair/alpha.beta", "{.status.mirrors[0].members}");
  }

  async membersBecome(hosts: readonly StorageHost[], seconds = 120): Promise<void> {
    await this.until(seconds, async () => expect(await this.members()).toBe(JSON.stringify(hosts)));
  }

  /** Until `check` throws no more; seconds of an idle lab. */
  until(seconds: number, check: () => Promise<void>): Promise<void> {
    return vi.waitFor(check, { timeout: this.f.seconds(seconds) * 1000, interval: 400 });
  }

  orderPrimary(hostName: StorageHost): Promise<string> {
    return this.f.patch("mirror/m1", { spec: { primary: { hostName } } });
  }

  /** The line of /proc/drbd about the mirror. */
  async kernel(host: StorageHost): Promise<string> {
    return (await this.on(host, "grep 'cs:' /proc/drbd || true")).trim();
  }

  async kernelBecomes(host: StorageHost, pattern: RegExp, seconds = 60): Promise<void> {
    await this.until(seconds, async () => expect(await this.kernel(host)).toMatch(pattern));
  }

  /** Both copies in step, nothing acknowledged missing, and the same bytes on both disks. The writer on `primary` pauses for it. */
  async expectWhole(primary: StorageHost): Promise<void> {
    await this.membersBecome(BOTH, 240);
    await this.f.waitFor("mirror/m1", "condition=InSync", 120);
    await this.writers.pause(primary);
    expect(await this.writers.missing(primary)).toEqual([]);
    const sums = await Promise.all(BOTH.map((host) => this.checksum(host)));
    expect(sums[0]).toBe(sums[1]);
    await this.writers.resume(primary);
    await this.writers.progress(primary);
  }

  /** Of the disk below DRBD, past every cache. */
  async checksum(host: StorageHost): Promise<string> {
    const disk = (await this.on(host, `sed -n 's/^ *disk \\(.*\\);/\\1/p' /etc/drbd.d/m1.res | head -n 1`)).trim();
    return this.on(host, `dd if='${disk}' bs=1M count=32 iflag=direct status=none | md5sum`);
  }

  /** Seconds since boot at which the kernel called our helper for `event` the last time. */
  async helperCalled(host: StorageHost, event: string): Promise<number> {
    const log = await this.on(host, "dmesg");
    const line = log.split("\n").findLast((text) => text.includes("helper command:") && text.endsWith(` ${event} m1`));
    return Number(/^\[ *([\d.]+)\]/.exec(line ?? "")?.[1]);
  }
}
