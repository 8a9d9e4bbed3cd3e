import { expect } from "vitest";
import type { GuestName } from "../../hack/lab/state.ts";
import { Fixture } from "./cluster-fixture.ts";

/** A mirror between alpha and beta for each protocol, exported by its primary and imported on gamma. */
export const PROTOCOLS = { nbd: "NBD", iscsi: "ISCSI", nvme: "NVMeTCP" } as const;
export type Name = keyof typeof PROTOCOLS;
export const NAMES = Object.keys(PROTOCOLS) as readonly Name[];
export const HOSTS = ["alpha", "beta", "gamma"] as const;

/** Appends numbers to a file, each acknowledged in a file of the machine's own after fsync. Ends at the first error. */
const FSYNC_WRITER = `use IO::Handle; my $n = shift;
open(my $f, '>>', "/mnt/$n/fsync") or die; open(my $a, '>>', "/run/acked-fsync-$n") or die;
for (my $i = 1; !-e '/run/stop'; $i++) {
  unless (syswrite($f, "$i\\n") && $f->sync) { open(my $e, '>', "/run/error-$n"); print $e "fsync $i: $!"; exit 1 }
  syswrite($a, "$i\\n");
  select(undef, undef, undef, 0.05);
}
`;
/** Writes numbers past every cache of this machine and without any flush: what the server says it has, it must have. */
const DIRECT_WRITER = `use Fcntl; my $n = shift;
sysopen(my $f, "/mnt/$n/direct", O_WRONLY | 040000) or die; open(my $a, '>>', "/run/acked-direct-$n") or die;
# O_DIRECT wants memory that is aligned: a mapped page of a string that long has one.
my $size = 4096; my $buffer = "\\0" x (3 * $size); my $at = $size - (unpack('J', pack('P', $buffer)) % $size);
for (my $i = 1; !-e '/run/stop'; $i++) {
  substr($buffer, $at, $size) = sprintf('%-4095s', $i) . "\\n";
  sysseek($f, ($i % 256) * $size, 0);
  my $wrote = syscall(1, fileno $f, unpack('J', pack('P', $buffer)) + $at, $size);
  unless ($wrote == $size) { open(my $e, '>', "/run/error-$n"); print $e "direct $i: $!"; exit 1 }
  syswrite($a, "$i\\n");
  select(undef, undef, undef, 0.05);
}
`;

/** Lists what a host serves, of any protocol, by name. */
export const SERVED =
  "ls /run/ferrite/nbd/conf.d /sys/kernel/config/nvmet/subsystems /sys/kernel/config/target/iscsi 2>/dev/null | grep -E '^(iqn|nqn)|[.]conf$' || true; pgrep nbd-server || true";
/** Lists what is left of imports on a host. */
export const IMPORTED =
  "ls /dev/gnbd /sys/class/nvme /sys/class/iscsi_session 2>/dev/null | grep -v -e ':$' -e '^$' || true; cat /sys/block/nbd*/backend 2>/dev/null || true; dmsetup ls | grep gnbd || true";

export class ExportScene {
  readonly f: Fixture;

  private constructor(fixture: Fixture) {
    this.f = fixture;
  }

  static async start(name: string): Promise<ExportScene> {
    return new ExportScene(await Fixture.start(name, HOSTS));
  }

  on(host: GuestName, script: string): Promise<string> {
    return this.f.lab.guest(host).sh(script, { timeoutMs: 120_000 });
  }

  until(what: () => Promise<unknown>, count = 90) {
    return expect.poll(what, { timeout: this.f.seconds(count) * 1000, interval: 1000 });
  }

  /** What the machines and the API say, for a test that failed. */
  async tell(): Promise<void> {
    const script = `node -e 'for (const l of require("fs").readFileSync("/persist/agent.log", "utf8").trim().split("\\n").slice(-40))
      try { const o = JSON.parse(l); console.log(o.time.slice(11, 23), o.controller ?? "", o.key ?? "", o.step ?? (o.steps ?? []).join(), o.msg ?? "", o.err?.message?.slice(0, 300) ?? "") } catch {}'; dmesg | tail -15`;
    for (const host of HOSTS) console.log(`${host}:\n${await this.on(host, script).catch(String)}`);
    console.log(await this.f.kubectl("get", "mirrors,mirrorreplicas,exports,imports", "-o", "wide"));
  }

  async makeGroups(): Promise<void> {
    for (const host of HOSTS) await this.f.waitFor(`host/${host}`, "condition=Ready");
    for (const host of ["alpha", "beta"])
      await this.f.apply("VolumeGroup", `vg-${host}`, {
        hostName: host,
        physicalVolumes: [{ device: `/dev/disk/by-id/virtio-${host}-disk1` }],
      });
  }

  async makeMirror(name: string): Promise<void> {
    await this.f.apply("Mirror", name, {
      size: "24Mi",
      replicas: ["alpha", "beta"].map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
      primary: { hostName: "alpha" },
    });
  }

  async exportAndImport(name: Name, spec: object = {}, imported: object = {}): Promise<void> {
    const clients = [{ hostName: "gamma" }];
    await this.f.apply("Export", name, { mirrorRef: { name }, protocol: PROTOCOLS[name], clients, ...spec });
    await this.f.apply("Import", name, { exportRef: { name }, hostName: "gamma", ...imported });
  }

  async mount(name: Name): Promise<void> {
    const device = `/dev/gnbd/${name}`;
    await this.on("gamma", `mkfs.ext4 -q ${device} && mkdir -p /mnt/${name} && mount ${device} /mnt/${name}`);
  }

  async startWriters(names: readonly Name[] = NAMES): Promise<void> {
    const gamma = this.f.lab.guest("gamma");
    await gamma.putFile("/run/fsync.pl", FSYNC_WRITER);
    await gamma.putFile("/run/direct.pl", DIRECT_WRITER);
    await this.on("gamma", "rm -f /run/stop /run/error-* /run/acked-*");
    for (const name of names)
      await this.on(
        "gamma",
        `dd if=/dev/zero of=/mnt/${name}/direct bs=64k count=16 conv=fsync 2>/dev/null
         for k in fsync direct; do setsid perl /run/$k.pl ${name} </dev/null >/run/$k-${name}.log 2>&1 & done`,
      );
    await this.progress(names);
  }

  /** Numbers acknowledged so far, of both writers of each. */
  async acked(names: readonly Name[] = NAMES): Promise<readonly number[]> {
    const files = names.flatMap((name) => ["fsync", "direct"].map((kind) => `/run/acked-${kind}-${name}`));
    const script = `for f in ${files.join(" ")}; do wc -l <$f 2>/dev/null || echo 0; done`;
    return (await this.on("gamma", script)).trim().split("\n").map(Number);
  }

  /** All writers get on from here. */
  async progress(names: readonly Name[] = NAMES): Promise<void> {
    const before = await this.acked(names);
    await this.until(async () => {
      const now = await this.acked(names);
      return now.every((count, index) => count > (before[index] ?? 0) + 2) ? "all get on" : now.join(" ");
    }, 180).toBe("all get on");
  }

  async stopWriters(): Promise<void> {
    await this.on("gamma", "touch /run/stop");
    await this.until(() => this.on("gamma", "pgrep -f 'fsync.p[l]|direct.p[l]' || true"), 120).toBe("");
    expect(await this.on("gamma", "cat /run/error-* 2>/dev/null || true")).toBe("");
  }

  async movePrimary(names: readonly Name[], host: "alpha" | "beta"): Promise<void> {
    const address = this.f.lab.guest(host).address;
    for (const name of names) await this.f.patch(`mirror/${name}`, { spec: { primary: { hostName: host } } });
    for (const name of names)
      await this.until(() => this.f.get(`import/${name}`, "{.status.connectedTo}"), 240).toContain(address);
  }

  /** Reads what was acknowledged from the mirror's own device on its primary, past the importer, which has let go of it. */
  async expectNothingMissing(name: Name, primary: "alpha" | "beta"): Promise<void> {
    const gamma = this.f.lab.guest("gamma");
    const acked = { fsync: "", direct: "" };
    for (const kind of ["fsync", "direct"] as const)
      acked[kind] = (await gamma.exec(["cat", `/run/acked-${kind}-${name}`])).stdout;
    const device = await this.f.get(`mirror/${name}`, "{.status.devicePath}");
    const script = `mkdir -p /mnt/${name}; mount -o ro ${device} /mnt/${name} && cat /mnt/${name}/fsync; echo ==; tr -d ' \\0' </mnt/${name}/direct; umount /mnt/${name}`;
    const [written = "", blocks = ""] = (await this.on(primary, script)).split("==\n");
    const there = new Set(written.trim().split("\n"));
    const numbers = acked.fsync.trim().split("\n");
    expect(numbers.length).toBeGreaterThan(10);
    expect(numbers.filter((number) => !there.has(number))).toEqual([]);
    const last = acked.direct.trim().split("\n").slice(-200);
    const found = new Set(blocks.trim().split("\n"));
    // One number after the last acknowledged may have taken the place of one 256 before it; 200 leaves that out.
    expect(last.filter((number) => !found.has(number))).toEqual([]);
  }

  /** What reached a file system. A path that is lost may say so; the device above it must not. */
  fileSystemErrors(): Promise<string> {
    return this.on(
      "gamma",
      "dmesg | grep -E 'EXT4-fs (error|warning)|Remounting|[Bb]uffer I/O error|JBD2.*error' | grep -v 'dev sd' || true",
    );
  }
}
