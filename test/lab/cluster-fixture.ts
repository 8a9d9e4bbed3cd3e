import { resolve } from "node:path";
import { expect, vi } from "vitest";
import { Cluster } from "../../hack/lab/cluster.ts";
import { Lab, type LabOptions } from "../../hack/lab/lab.ts";
import type { GuestName } from "../../hack/lab/state.ts";

/** Those that a failed test asks for their state. */
export const running = new Set<Fixture>();

/** A lab with Ferrite on it, for one test file; `stop` leaves nothing behind. */
export class Fixture {
  readonly lab: Lab;
  readonly cluster: Cluster;

  readonly hosts: readonly GuestName[];

  private constructor(lab: Lab, cluster: Cluster, hosts: readonly GuestName[]) {
    this.lab = lab;
    this.cluster = cluster;
    this.hosts = hosts;
    running.add(this);
  }

  static async start(
    name: string,
    hosts: readonly GuestName[],
    options: Pick<LabOptions, "dataDiskMiB" | "memoryMiB" | "xen"> = {},
  ): Promise<Fixture> {
    const lab = await Lab.start({ ...options, name, diesWithUs: true, log: (line) => console.log(line) });
    // A run that was killed leaves its store behind; the next one must not find objects of machines that are gone.
    const folder = resolve(import.meta.dirname, `../../.ferrite/lab-cluster/${name}-${process.pid}`);
    return new Fixture(lab, await Cluster.start(lab, folder, hosts), hosts);
  }

  async stop(): Promise<void> {
    running.delete(this);
    await this.cluster.stop();
    await this.lab.stop();
    this.cluster.remove();
  }

  /** Seconds of an idle lab, stretched to how slow this one is. */
  seconds(count: number): number {
    return Math.ceil(count * Math.max(1, this.lab.timeFactor));
  }

  kubectl(...args: string[]): Promise<string> {
    return this.cluster.kubectl(...args);
  }

  /** `kubectl wait`, also for an object that is not there yet. */
  async waitFor(what: string, condition: string, count = 60): Promise<void> {
    const timeout = this.seconds(count);
    await vi.waitFor(async () => expect(await this.exists(what)).toBe(true), {
      timeout: timeout * 1000,
      interval: 500,
    });
    try {
      await this.kubectl("wait", what, `--for=${condition}`, `--timeout=${timeout}s`);
    } catch (cause) {
      throw new Error(`${what} never got ${condition}: ${await this.kubectl("get", what, "-o", "yaml")}`, { cause });
    }
  }

  async exists(what: string): Promise<boolean> {
    return (await this.kubectl("get", what, "--ignore-not-found", "-o", "name")) !== "";
  }

  get(what: string, path: string): Promise<string> {
    return this.kubectl("get", what, "-o", `jsonpath=${path}`);
  }

  /** The message of Ready, as soon as it matches. */
  async waitForMessage(what: string, pattern: RegExp, type = "Ready"): Promise<void> {
    const message = () => this.get(what, `{.status.conditions[?(@.type=="${type}")].message}`).catch(() => "");
    await vi.waitFor(async () => expect(await message()).toMatch(pattern), {
      timeout: this.seconds(60) * 1000,
      interval: 500,
    });
  }

  /** Changes an object by merge patch. */
  patch(what: string, patch: unknown): Promise<string> {
    return this.kubectl("patch", what, "--type=merge", "-p", JSON.stringify(patch));
  }

  async apply(kind: string, name: string, spec: unknown): Promise<void> {
    const scope = kind === "VolumeGroup" ? {} : { namespace: "default" };
    await this.cluster.apply({ apiVersion: "ferrite.dev/v1alpha1", kind, metadata: { name, ...scope }, spec });
  }

  /** The volume groups that the tests use: `vg-alpha` and `vg-beta` on one disk each, with a thin pool. */
  async makeVolumeGroups(poolSize = "512Mi", disk = "disk1"): Promise<void> {
    for (const host of ["alpha", "beta"])
      await this.apply("VolumeGroup", `vg-${host}`, {
        hostName: host,
        physicalVolumes: [{ device: `/dev/disk/by-id/virtio-${host}-${disk}` }],
        thinPool: { size: poolSize },
        deletionPolicy: "Delete",
      });
    for (const host of ["alpha", "beta"]) await this.waitFor(`volumegroup/vg-${host}`, "condition=Ready", 90);
  }
}
