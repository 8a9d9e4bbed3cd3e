import { expect } from "vitest";
import type { Fixture } from "../cluster-fixture.ts";

export const HOSTS = ["alpha", "beta"] as const;
export type Host = (typeof HOSTS)[number];

/** What the tests that interrupt the making of a mirror do with it. */
export function mirrorUnderCuts(f: Fixture) {
  const on = (host: Host, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
  const members = (mirror: string) =>
    f.get("hostpair/alpha.beta", `{.status.mirrors[?(@.name=="${mirror}")].members}`).catch(() => "");
  const bothAreMembers = (mirror: string) =>
    expect.poll(() => members(mirror), { timeout: f.seconds(240) * 1000, interval: 500 }).toBe('["alpha","beta"]');
  const make = (name: string) =>
    f.apply("Mirror", name, {
      size: "16Mi",
      replicas: HOSTS.map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
      primary: { hostName: "alpha" },
    });
  const remove = (mirror: string) => f.kubectl("delete", "mirror", mirror, `--timeout=${f.seconds(240)}s`);
  /** The first two words say what a step is. */
  const words = (lines: readonly string[]) =>
    lines.map((line) => line.replace(" -- ", " ").split(" ").slice(0, 3).join(" "));

  async function expectUsable(mirror: string): Promise<void> {
    await bothAreMembers(mirror);
    await f.waitFor(`mirror/${mirror}`, "condition=Ready");
    await f.waitFor(`mirror/${mirror}`, "condition=InSync");
    const device = await f.get(`mirror/${mirror}`, "{.status.devicePath}");
    await on("alpha", `echo ${mirror} | dd of=${device} conv=fsync status=none`);
    expect(await on("alpha", `head -c ${mirror.length} ${device}`)).toBe(mirror);
  }

  async function expectNothingLeft(mirror: string): Promise<void> {
    for (const host of HOSTS) {
      expect(await on(host, "drbdsetup events2 --now")).toBe("exists -\n");
      expect(await on(host, "ls /etc/drbd.d")).not.toContain(mirror);
      expect(await on(host, "lvs --noheadings -o lv_name --devices /dev/vdc")).not.toContain(mirror);
    }
    expect(await f.kubectl("get", "allocations,mirrorreplicas,volumes", "-A", "-o", "name")).toBe("");
    expect(await f.get("hostpair/alpha.beta", "{.status.mirrors}")).toBe("[]");
  }
  return { on, make, remove, words, expectUsable, expectNothingLeft };
}
