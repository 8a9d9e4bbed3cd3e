import { CommandError } from "../command/errors.ts";
import { TapeCut } from "../command/tape.ts";
import type { Command, Executor } from "../command/types.ts";

export const MIB = 2 ** 20;
const EXTENT = 4 * MIB;

interface Disk {
  sizeBytes: number;
  signatures: string[];
  /** Bytes other than zero at its beginning. */
  dirty?: boolean;
  /** Where it is mounted. */
  mountedAt?: string;
}

export interface Volume {
  name: string;
  uuid: string;
  extents: number;
  tags: string[];
  layout: string;
  role: string;
  active: boolean;
  open: boolean;
  origin: string;
  pool: string;
  content: string;
  health?: string;
  invalid?: boolean;
}

interface Group {
  name: string;
  uuid: string;
  tags: string[];
  devices: string[];
  volumes: Volume[];
}

export const volume = (overrides: Partial<Volume> = {}): Volume => ({
  name: "data",
  uuid: "lv-data",
  extents: 25,
  tags: ["ferrite.uid=u1"],
  layout: "linear",
  role: "public",
  active: true,
  open: false,
  origin: "",
  pool: "",
  content: "",
  ...overrides,
});

export const group = (overrides: Partial<Group> = {}): Group => ({
  name: "vg0",
  uuid: "vg-0",
  tags: ["ferrite.uid=g1"],
  devices: ["/dev/sdb"],
  volumes: [],
  ...overrides,
});

/** A machine as LVM's tools see it: enough to run plans against, and to be killed in the middle of them. */
export class LvmModel implements Executor {
  readonly disks = new Map<string, Disk>();
  /** Links below /dev, such as those of /dev/disk/by-id, to the names in `disks`. */
  readonly links = new Map<string, string>();
  readonly groups: Group[] = [];
  mounts = "";
  /** Devices of device-mapper that the kernel has of disks that are gone. */
  readonly left: { name: string; uuid: string; open: number; on?: string }[] = [];
  /** Commands that changed something, in order. */
  readonly changes: string[] = [];
  /** Dies before the n-th change from now. */
  dieBefore = Number.POSITIVE_INFINITY;

  withDisk(path: string, disk: Partial<Disk> = {}): this {
    this.disks.set(path, { sizeBytes: 1024 * MIB, signatures: [], ...disk });
    return this;
  }

  withGroup(one: Group): this {
    for (const device of one.devices)
      if (!this.disks.has(device)) this.withDisk(device, { signatures: ["LVM2_member"] });
    this.groups.push(one);
    return this;
  }

  async run(command: Command) {
    const [program, ...rest] = command.argv;
    if (command.mutates) {
      if (this.dieBefore-- <= 0) throw new TapeCut(`died before ${command.argv.join(" ")}`);
      this.changes.push(shown(command.argv));
    }
    const args = program === "lvm" ? rest.slice(3) : rest;
    const verb = program === "lvm" ? (rest[0] ?? "") : program;
    const handler = this.verbs[verb];
    if (handler === undefined) throw new Error(`the model does not know ${verb}`);
    const stdout = handler(args, command);
    return { exitCode: 0, stdout: stdout ?? "", stderr: "" };
  }

  async write(): Promise<void> {
    throw new Error("LVM's driver writes no files");
  }

  /** What `find /dev/disk … -printf '%f %l\n'` says. */
  idLinks(): string {
    const names = [...this.links].map(([link, path]) => [link.split("/").at(-1), path.split("/").at(-1)]);
    return names.map(([name, target]) => `${name} ../../${target}\n`).join("");
  }

  async realPath(path: string): Promise<string> {
    return this.links.get(path) ?? path;
  }

  async read(path: string): Promise<string | undefined> {
    return path === "/proc/self/mounts" ? this.mounts : undefined;
  }

  volume(name: string): Volume {
    const found = this.groups.flatMap(({ volumes }) => volumes).find((one) => one.name === name);
    if (found === undefined) throw new Error(`no volume ${name}`);
    return found;
  }

  /** Device paths of the volumes, with their sizes. */
  devices(): ReadonlyMap<string, number> {
    return new Map(
      this.groups.flatMap(({ name, volumes }) =>
        volumes.map((one) => [`/dev/${name}/${one.name}`, one.extents * EXTENT] as const),
      ),
    );
  }

  private readonly verbs: Record<string, (args: string[], command: Command) => string | undefined> = {
    wipefs: (args, command) => this.wipefs(args, command),
    cmp: (args, command) => {
      if (this.disk(args[2] ?? "", command).dirty) throw failed(command, 1, "", "differ: byte 1, line 1");
      return "";
    },
    lsblk: (args) => {
      const path = args.at(-1) ?? "";
      const mountpoints = [this.disks.get(path)?.mountedAt ?? null];
      return JSON.stringify({ blockdevices: [{ path, kname: path.slice(5), type: "disk", mountpoints }] });
    },
    find: () => "",
    dmsetup: (args) => {
      if (args[0] === "info") return this.left.map(({ name, open, uuid }) => `${name} ${open} ${uuid}\n`).join("");
      const gone = this.left.findIndex(({ name }) => name === args.at(-1));
      const [device] = this.left.splice(gone, 1);
      // What it stood on is free now.
      for (const below of this.left) if (below.name === device?.on) below.open -= 1;
      return undefined;
    },
    fullreport: () => this.report(),
    vgcreate: (args, command) => {
      const [name = "", ...devices] = positional(args);
      for (const device of devices) this.label(device, command);
      this.groups.push(group({ name, uuid: `vg-${name}`, tags: valuesOf(args, "--addtag"), devices }));
      return undefined;
    },
    vgextend: (args, command) => {
      const [name = "", device = ""] = positional(args);
      this.label(device, command);
      this.group(name).devices.push(device);
      return undefined;
    },
    vgchange: (args, command) => {
      const found = this.group(positional(args)[0] ?? "");
      found.tags.push(...valuesOf(args, "--addtag"));
      for (const value of valuesOf(args, "--activate"))
        for (const one of found.volumes) {
          if (value === "n" && one.open) throw failed(command, 5, "", `Logical volume ${one.name} in use.`);
          one.active = value === "y";
        }
      return undefined;
    },
    vgreduce: (args) => {
      const [name = "", device = ""] = positional(args);
      const found = this.group(name);
      found.devices = found.devices.filter((one) => one !== device);
      return undefined;
    },
    vgremove: (args) => void this.groups.splice(this.groups.indexOf(this.group(positional(args)[0] ?? "")), 1),
    pvremove: (args, command) => void (this.disk(args[0] ?? "", command).signatures = []),
    pvmove: () => undefined,
    pvresize: () => undefined,
    lvcreate: (args, command) => this.lvcreate(args, command),
    lvextend: (args) => void (this.byPath(args).extents = Number(valuesOf(args, "--extents")[0])),
    lvremove: (args) => {
      const found = this.byPath(args);
      for (const { volumes } of this.groups) if (volumes.includes(found)) volumes.splice(volumes.indexOf(found), 1);
      return undefined;
    },
    lvchange: (args) => {
      const found = this.byPath(args);
      for (const value of valuesOf(args, "--activate")) found.active = value === "y";
      for (const tag of valuesOf(args, "--addtag")) if (!found.tags.includes(tag)) found.tags.push(tag);
      found.tags = found.tags.filter((tag) => !valuesOf(args, "--deltag").includes(tag));
      return undefined;
    },
    "mkfs.ext4": (args) => void (this.byDevice(args.at(-1)).content = "ext4"),
    "mkfs.xfs": (args) => void (this.byDevice(args.at(-1)).content = "xfs"),
    e2fsck: () => undefined,
    resize2fs: (args) => {
      const found = this.byDevice(args.at(-1));
      found.content = `${found.content.split("+")[0]}+`;
      return undefined;
    },
    xfs_growfs: () => undefined,
    dd: (args) => {
      const named = (key: string) => args.find((arg) => arg.startsWith(key))?.slice(key.length) ?? "";
      const from = named("if=");
      this.byDevice(named("of=")).content = from.startsWith("/dev/")
        ? this.byDevice(from).content
        : `content of ${from}`;
      return undefined;
    },
    blkdiscard: (args) => void (this.byDevice(args.at(-1)).content = ""),
    curl: () => undefined,
    sha256sum: () => undefined,
    rm: () => undefined,
  };

  private disk(path: string, command: Command): Disk {
    const found = this.disks.get(this.links.get(path) ?? path);
    if (found === undefined)
      throw failed(command, 1, "", `wipefs: error: ${path}: probing initialization failed: No such file or directory`);
    return found;
  }

  private wipefs(args: string[], command: Command): string {
    const disk = this.disk(args.at(-1) ?? "", command);
    if (args.includes("--all")) disk.signatures = [];
    return JSON.stringify({ signatures: disk.signatures.map((type) => ({ type })) });
  }

  /** Asks before it overwrites a signature, and hears nothing. */
  private label(device: string, command: Command): void {
    const disk = this.disk(device, command);
    if (disk.signatures.length > 0) throw failed(command, 5, "", "Aborted wiping of signature.");
    disk.signatures = ["LVM2_member"];
  }

  private group(name: string): Group {
    const found = this.groups.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no volume group ${name}`);
    return found;
  }

  private lvcreate(args: string[], command: Command): undefined {
    const [target = ""] = positional(args).slice(-1);
    const [groupName = "", originName = ""] = target.split("/");
    const owner = this.group(groupName);
    const [name = ""] = valuesOf(args, "--name");
    if (owner.volumes.some((one) => one.name === name)) throw failed(command, 5, "", `${name} already exists`);
    const origin = owner.volumes.find((one) => one.name === originName);
    const pool = valuesOf(args, "--thinpool")[0] ?? origin?.pool ?? "";
    const extents =
      Number(
        valuesOf(args, "--extents")[0] ?? Number.parseInt(valuesOf(args, "--virtualsize")[0] ?? "0", 10) / EXTENT,
      ) ||
      (origin?.extents ?? 0);
    const isPool = valuesOf(args, "--type")[0] === "thin-pool";
    const kind = pool === "" ? "thicksnapshot" : "thinsnapshot";
    owner.volumes.push(
      volume({
        name,
        uuid: `lv-${name}`,
        extents,
        tags: valuesOf(args, "--addtag"),
        layout: isPool ? "thin,pool" : pool === "" ? "linear" : "thin,sparse",
        role: origin === undefined ? "public" : `public,snapshot,${kind}`,
        origin: origin?.name ?? "",
        pool,
        content: origin?.content ?? "",
      }),
    );
    return undefined;
  }

  private byPath(args: string[]): Volume {
    const [groupName = "", name = ""] = (positional(args).at(-1) ?? "").split("/");
    const found = this.group(groupName).volumes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no volume ${groupName}/${name}`);
    return found;
  }

  private byDevice(path: string | undefined): Volume {
    return this.volume((path ?? "").split("/").at(-1) ?? "");
  }

  private report(): string {
    const report = this.groups.map((one) => {
      const used = one.volumes
        .filter(({ pool }) => pool === "")
        .reduce((sum, { extents }) => sum + extents * EXTENT, 0);
      const sizes = one.devices.map((device) => this.usable(device));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      return {
        vg: [
          {
            vg_name: one.name,
            vg_uuid: one.uuid,
            vg_size: `${total}`,
            vg_free: `${total - used}`,
            vg_extent_size: `${EXTENT}`,
            vg_missing_pv_count: `${one.devices.filter((device) => !this.disks.has(device)).length}`,
            vg_exported: "0",
            vg_tags: one.tags.join(","),
          },
        ],
        pv: one.devices.map((device, index) => ({
          pv_name: this.disks.has(device) ? device : "[unknown]",
          pv_uuid: `pv-${device}`,
          pv_size: `${sizes[index]}`,
          pv_used: `${index === 0 ? used : 0}`,
          pv_missing: this.disks.has(device) ? "0" : "1",
          dev_size: `${this.disks.get(device)?.sizeBytes ?? 0}`,
          pe_start: `${MIB}`,
          vg_name: one.name,
        })),
        lv: one.volumes.map(row),
      };
    });
    const grouped = new Set(this.groups.flatMap(({ devices }) => devices));
    const orphans = [...this.disks]
      .filter(([device, { signatures }]) => signatures.includes("LVM2_member") && !grouped.has(device))
      .map(([device, { sizeBytes }]) => orphan(device, sizeBytes));
    return JSON.stringify({ report: [...report, ...(orphans.length === 0 ? [] : [{ pv: orphans }])] });
  }

  private usable(device: string): number {
    return Math.floor(((this.disks.get(device)?.sizeBytes ?? 1024 * MIB) - MIB) / EXTENT) * EXTENT;
  }
}

const orphan = (device: string, sizeBytes: number) => ({
  pv_name: device,
  pv_uuid: `pv-${device}`,
  pv_size: "0",
  pv_used: "0",
  pv_missing: "0",
  dev_size: `${sizeBytes}`,
  pe_start: `${MIB}`,
  vg_name: "",
});

const row = (one: Volume) => ({
  lv_name: one.name,
  lv_uuid: one.uuid,
  lv_size: `${one.extents * EXTENT}`,
  lv_tags: one.tags.join(","),
  lv_layout: one.layout,
  lv_role: one.role,
  lv_active_locally: one.active ? "1" : "0",
  lv_device_open: one.active ? (one.open ? "1" : "0") : "-1",
  origin: one.origin,
  origin_size: "",
  pool_lv: one.pool,
  data_percent: "",
  metadata_percent: "",
  lv_snapshot_invalid: one.invalid ? "1" : "0",
  lv_health_status: one.health ?? "",
});

const FLAGS = new Set(["--yes", "--snapshot", "--ignoreactivationskip"]);

/** Arguments that are neither options nor their values. */
function positional(args: readonly string[]): string[] {
  return args.filter((arg, index) => {
    const before = args[index - 1];
    return !arg.startsWith("--") && (before === undefined || !before.startsWith("--") || FLAGS.has(before));
  });
}

const valuesOf = (args: readonly string[], option: string): string[] =>
  args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ""] : []));

/** A command without what every one of them says. */
export const shown = (argv: readonly string[]): string =>
  (argv[0] === "lvm" ? [argv[1], ...argv.slice(4)] : argv).join(" ");

const failed = (command: Command, exitCode: number, stdout: string, stderr: string) =>
  new CommandError(command, { exitCode, stdout, stderr });
