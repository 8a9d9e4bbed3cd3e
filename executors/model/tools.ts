import { freshMetadata, JUST_CREATED, type ModelDisk } from "./disk.ts";
import type { DrbdModel } from "./drbd.ts";
import { agreeOnSize, declareEqual, forceUpToDate, handshake, startVerify } from "./handshake.ts";
import { type ModelOptions, ModelReplica, rank } from "./replica.ts";

/** A tool that ends with another code than 0. */
export class ToolFailure extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, stderr: string) {
    super(stderr);
    this.exitCode = exitCode;
  }
}

const denied = (code: number, text: string): ToolFailure =>
  new ToolFailure(17, `State change failed: (${code}) ${text}\n`);

/** What drbdadm reads of a resource's file. */
export function parseOptions(text: string, uname: string): ModelOptions {
  const own = new RegExp(`on ${uname} \\{([^}]*)\\}`).exec(text)?.[1] ?? "";
  const value = (pattern: RegExp, from = text): string => pattern.exec(from)?.[1] ?? "";
  return {
    twoPrimaries: value(/allow-two-primaries (\w+)/) === "yes",
    fencing: value(/fencing ([\w-]+)/) || "dont-care",
    onNoData: value(/on-no-data-accessible ([\w-]+)/) || "io-error",
    onIoError: value(/on-io-error ([\w-]+)/) || "detach",
    diskPath: value(/disk (\S+);/, own),
    minor: Number(value(/minor (\d+);/, own)),
  };
}

/** The DRBD tools of one host over the model. Every method throws ToolFailure as the tool would fail. */
export class DrbdTools {
  readonly #model: DrbdModel;
  readonly #host: string;
  readonly #disks: ReadonlyMap<string, ModelDisk>;

  constructor(model: DrbdModel, host: string, disks: ReadonlyMap<string, ModelDisk>) {
    this.#model = model;
    this.#host = host;
    this.#disks = disks;
  }

  #get(name: string): ModelReplica {
    const replica = this.#model.kernel(this.#host).get(name);
    if (replica === undefined) throw new ToolFailure(10, `${name}: Failure: (158) Unknown resource\n`);
    return replica;
  }

  #disk(path: string): ModelDisk {
    const disk = this.#disks.get(path);
    if (disk === undefined) throw new ToolFailure(20, `open(${path}) failed: No such file or directory\n`);
    return disk;
  }

  createMetadata(path: string): void {
    const disk = this.#disk(path);
    if (disk.failed) throw new ToolFailure(20, "pwrite: Input/output error\n");
    disk.metadata = { ...freshMetadata(), sizeBytes: disk.usableBytes };
  }

  hasMetadata(path: string): boolean {
    const disk = this.#disk(path);
    if (disk.failed) throw new ToolFailure(20, "pread: Input/output error\n");
    return disk.metadata !== undefined;
  }

  wipeMetadata(path: string): void {
    this.#disk(path).metadata = undefined;
  }

  newResource(name: string, options: ModelOptions): void {
    if (this.#model.kernel(this.#host).has(name)) throw new ToolFailure(10, `${name}: Failure: (160) exists\n`);
    this.#model.add(new ModelReplica(name, this.#host, options));
  }

  newMinor(name: string): void {
    this.#get(name).hasMinor = true;
  }

  setOptions(name: string, options: ModelOptions): void {
    this.#get(name).options = options;
  }

  attach(name: string): void {
    const replica = this.#get(name);
    if (replica.disk !== undefined) throw new ToolFailure(10, `${name}: Failure: (124) Device is attached to a disk\n`);
    const disk = this.#disk(replica.options.diskPath);
    const md = disk.metadata;
    if (disk.failed)
      throw new ToolFailure(10, `${name}: Failure: (118) IO error(s) occurred during initial access to meta-data.\n`);
    if (md === undefined) throw new ToolFailure(10, `${name}: Failure: (119) No valid meta-data signature found.\n`);
    const connected = this.#model.connected(replica) !== undefined;
    if (replica.role === "Primary" && !connected && (md.current & ~1n) !== replica.exposed)
      throw new ToolFailure(10, `${name}: Failure: (117) Can only attach to the data we lost last.\n`);
    if (md.primaryIndicator || md.crashedPrimary) {
      md.crashedPrimary = true;
      // The activity log: whatever may have been written last is compared.
      for (const block of md.active) md.dirty.add(block);
    }
    replica.disk = disk;
    if (!connected) replica.peerDisk = md.peerOutdated ? "Outdated" : "DUnknown";
    replica.diskState = !md.consistent ? "Inconsistent" : md.wasUpToDate ? "Consistent" : "Outdated";
    const alone = replica.peerDisk === "Outdated" || replica.options.fencing === "dont-care";
    if (replica.diskState === "Consistent" && alone && !connected) replica.diskState = "UpToDate";
    const peer = this.#model.peerOf(replica);
    if (connected && peer !== undefined) handshake(this.#model, replica, peer);
    this.#model.checkData(replica);
    // Requests that waited for a disk go on (RESTART_FROZEN_DISK_IO).
    if (replica.suspendedNoData && rank(replica.diskState) > rank("Negotiating")) {
      replica.suspendedNoData = false;
      this.#model.restartFrozen(replica);
    }
    this.#model.settle(replica);
  }

  detach(name: string): void {
    const replica = this.#get(name);
    if (replica.disk === undefined) return;
    if (replica.role === "Primary" && rank(replica.peerDisk) < rank("UpToDate")) throw NO_DATA;
    this.#model.settle(replica);
    replica.exposed = (replica.disk.metadata?.current ?? 0n) & ~1n;
    replica.disk = undefined;
    replica.diskState = "Diskless";
    this.#model.settle(replica);
    this.#model.tell(replica, (peer) => {
      this.#model.setPeerDisk(peer, "Diskless");
      this.#model.settle(peer);
    });
  }

  connect(name: string, discardMyData = false): void {
    const replica = this.#get(name);
    if (replica.net !== "StandAlone") throw new ToolFailure(10, `${name}: Failure: (125) Device has a net-config\n`);
    replica.discardMyData = discardMyData;
    replica.net = "Connecting";
    this.#model.settle(replica);
    this.#model.keepConnecting(replica);
  }

  disconnect(name: string): void {
    const replica = this.#get(name);
    if (replica.net === "StandAlone")
      throw new ToolFailure(
        10,
        "??: Failure: (162) Invalid configuration request\nadditional info from kernel:\nunknown connection\n",
      );
    const peer = this.#model.peerOf(replica);
    if (
      peer !== undefined &&
      this.#model.connected(replica) !== undefined &&
      this.#model.link.up &&
      peer.session === replica.session
    ) {
      // A primary without good data of its own lets its only source go by no order.
      const lacks = (side: ModelReplica) => side.role === "Primary" && rank(side.diskState) < rank("UpToDate");
      if (lacks(replica)) throw NO_DATA;
      if (lacks(peer)) throw REFUSED_BY_PEER;
      this.#outdate(replica, peer);
    }
    this.#model.lose(replica, "StandAlone");
  }

  /** The side that is left by a primary, or leaves one, is outdated in agreement; nobody freezes. */
  #outdate(replica: ModelReplica, peer: ModelReplica): void {
    const [primary, other] = replica.role === "Primary" ? [replica, peer] : [peer, replica];
    if (primary.role !== "Primary" || other.role === "Primary") return;
    if (rank(other.diskState) > rank("Outdated")) other.diskState = "Outdated";
    if (rank(primary.peerDisk) > rank("Outdated")) this.#model.setPeerDisk(primary, "Outdated");
    this.#model.settle(other);
    this.#model.settle(primary);
  }

  async promote(name: string, force: boolean): Promise<void> {
    const replica = this.#get(name);
    for (let attempt = 0; replica.role !== "Primary"; attempt++) {
      const refusal = this.#refusal(replica);
      if (refusal === undefined) break;
      if (attempt >= 4) throw refusal;
      if (refusal === TWO_PRIMARIES || (refusal === NO_DATA && replica.diskState === "Inconsistent" && !force))
        throw refusal;
      if (refusal === NO_DATA && force && rank(replica.diskState) >= rank("Inconsistent")) {
        forceUpToDate(this.#model, replica);
        continue;
      }
      if (refusal === NO_DATA && replica.diskState !== "Consistent") throw refusal;
      // Asks for leave to go on alone; state changes of this resource wait meanwhile.
      if (await this.#model.fencePeer(replica)) {
        if (replica.diskState === "Consistent") replica.diskState = "UpToDate";
      } else if (replica.net !== "Connected") throw refusal;
    }
    replica.role = "Primary";
    const md = replica.disk?.metadata;
    if (md !== undefined && replica.attached) {
      const alone = replica.net !== "Connected" || rank(replica.peerDisk) <= rank("Failed");
      if (alone && md.bitmap === 0n) {
        replica.owesGeneration = true;
        this.#model.payGeneration(replica);
      }
      md.current |= 1n;
      replica.exposed = md.current & ~1n;
    }
    this.#model.settle(replica);
    this.#model.tell(replica, (peer) => {
      peer.peerRole = "Primary";
      this.#model.settle(peer);
    });
  }

  #refusal(replica: ModelReplica): ToolFailure | undefined {
    const connected = replica.net === "Connected";
    const peer = this.#model.peerOf(replica);
    if (connected && peer?.role === "Primary" && !replica.options.twoPrimaries) return TWO_PRIMARIES;
    if (!connected && rank(replica.diskState) < rank("UpToDate")) return NO_DATA;
    if (replica.options.fencing !== "dont-care" && !connected && rank(replica.peerDisk) >= rank("DUnknown"))
      return UNFENCED;
    const nothing = rank(replica.diskState) < rank("UpToDate") && rank(replica.peerDisk) < rank("UpToDate");
    return nothing ? NO_DATA : undefined;
  }

  demote(name: string): void {
    const replica = this.#get(name);
    if (replica.openers > 0)
      throw new ToolFailure(
        11,
        `${replica.options.minor}: State change failed: (-12) Device is held open by someone\n`,
      );
    replica.role = "Secondary";
    const md = replica.disk?.metadata;
    if (md !== undefined && replica.attached) md.current &= ~1n;
    replica.suspendedFencing = false;
    replica.suspendedNoData = false;
    this.#model.settle(replica);
    this.#model.tell(replica, (peer) => {
      peer.peerRole = "Secondary";
      this.#model.settle(peer);
    });
  }

  down(name: string): void {
    const replica = this.#model.kernel(this.#host).get(name);
    if (replica === undefined) return;
    if (replica.role === "Primary") this.demote(name);
    if (replica.net !== "StandAlone") this.disconnect(name);
    this.#model.settle(replica);
    this.#model.remove(replica);
  }

  /** Takes what both backing devices have. */
  resize(name: string): void {
    const replica = this.#get(name);
    const peer = this.#model.peerOf(replica);
    if (this.#model.connected(replica) === undefined || peer === undefined) throw NO_DATA;
    agreeOnSize(replica, peer, "grow");
    for (const side of [replica, peer]) this.#model.settle(side);
  }

  verify(name: string): void {
    const replica = this.#get(name);
    const peer = this.#model.peerOf(replica);
    const whole = replica.replication === "Established" && replica.diskState === "UpToDate";
    if (peer === undefined || !whole || peer.diskState !== "UpToDate")
      throw denied(-15, "Need a connection to start verify or resync");
    startVerify(this.#model, replica, peer);
  }

  skipFirstSync(name: string): void {
    const replica = this.#get(name);
    const peer = this.#model.peerOf(replica);
    const fresh = (side: ModelReplica | undefined) => ((side?.disk?.metadata?.current ?? 0n) & ~1n) === JUST_CREATED;
    if (peer === undefined || this.#model.connected(replica) === undefined || !fresh(replica) || !fresh(peer))
      throw new ToolFailure(10, `${name}: Failure: (151) CONNECTED and JUST_CREATED are needed\n`);
    declareEqual(this.#model, replica, peer);
  }

  suspend(minor: number): void {
    const replica = this.#byMinor(minor);
    replica.suspendedUser = true;
    this.#model.settle(replica);
  }

  /** Releases everything, whatever it was frozen for. */
  resume(minor: number): void {
    const replica = this.#byMinor(minor);
    this.#model.payGeneration(replica);
    replica.suspendedUser = false;
    replica.suspendedFencing = false;
    replica.suspendedNoData = false;
    if (replica.net !== "Connected") this.#model.clearPending(replica);
    this.#model.release(replica);
    this.#model.settle(replica);
  }

  #byMinor(minor: number): ModelReplica {
    const found = [...this.#model.kernel(this.#host).values()].find(({ options }) => options.minor === minor);
    if (found === undefined) throw new ToolFailure(10, `${minor}: Failure: (127) Device minor not allocated\n`);
    return found;
  }

  /** `drbdsetup events2 --now --statistics`. */
  events(): string {
    const lines = [...this.#model.kernel(this.#host).values()].flatMap((replica) => eventLines(replica));
    return [...lines, "exists -", ""].join("\n");
  }

  /** `drbdsetup show --show-defaults`, of one resource or of all (""); of its settings those that the model knows. */
  show(name: string): string {
    const all = [...this.#model.kernel(this.#host).values()].filter((each) => name === "" || each.name === name);
    return all.map(shown).join("");
  }

  generations(minor: number): string {
    return this.#generations(this.#byMinor(minor).disk);
  }

  /** Of metadata that nothing has attached. */
  storedGenerations(path: string): string {
    const disk = this.#disk(path);
    if (disk.failed) throw new ToolFailure(20, "pread: Input/output error\n");
    return this.#generations(disk);
  }

  #generations(disk: ModelDisk | undefined): string {
    const md = disk?.metadata;
    if (md === undefined) throw new ToolFailure(20, "No valid meta data found\n");
    const hex = (uuid: bigint | undefined) => (uuid ?? 0n).toString(16).toUpperCase().padStart(16, "0");
    const flags = [md.consistent, md.wasUpToDate, md.primaryIndicator, false, md.peerOutdated, md.crashedPrimary];
    const words = [hex(md.current), hex(md.bitmap), hex(md.history[0]), hex(md.history[1]), ...flags.map(Number)];
    return `${words.join(":")}\n`;
  }
}

const TWO_PRIMARIES = denied(-1, "Multiple primaries not allowed by config");
const NO_DATA = denied(-2, "Need access to UpToDate data");
const REFUSED_BY_PEER = denied(-10, "State change was refused by peer node");
const UNFENCED = denied(-7, "Refusing to be Primary while peer is not outdated");

/** Of a disk whose size is of no interest. */
const DEFAULT_BYTES = 64 * 2 ** 20;

function shown({ name, options, disk }: ModelReplica): string {
  const { onNoData, minor, diskPath, onIoError, fencing } = options;
  const below = disk === undefined ? "none" : `"${diskPath}"`;
  const settings = disk === undefined ? "" : `disk { \n on-io-error ${onIoError};\n fencing ${fencing};\n }\n`;
  return `resource ${name} {\n options {\n on-no-data-accessible ${onNoData};\n }
 _this_host {\n volume 0 {\n device minor ${minor};\n disk ${below};\n ${settings}}\n }\n}\n`;
}

function eventLines(replica: ModelReplica): string[] {
  const { name, role, options, hasMinor } = replica;
  const reasons = [
    replica.suspendedUser && "user",
    replica.suspendedNoData && "no-data",
    replica.suspendedFencing && "fencing",
  ].filter((word) => word !== false);
  const named = replica.net === "StandAlone" ? "" : " conn-name:peer";
  const peerRole = replica.net === "Connected" ? replica.peerRole : "Unknown";
  const behind = (replica.disk?.metadata?.dirty.size ?? 0) * 4;
  const lines = [
    `exists resource name:${name} role:${role} suspended:${reasons.join(",") || "no"} write-ordering:flush`,
    `exists connection name:${name} peer-node-id:0${named} connection:${replica.net} role:${peerRole} congested:no`,
  ];
  if (!hasMinor) return lines;
  const size = replica.attached ? Math.floor((replica.disk?.metadata?.sizeBytes ?? DEFAULT_BYTES) / 1024) : 0;
  return [
    ...lines,
    `exists device name:${name} volume:0 minor:${options.minor} disk:${replica.diskState} size:${size} blocked:no`,
    `exists peer-device name:${name} peer-node-id:0${named} volume:0 replication:${replica.replication} peer-disk:${replica.peerDisk} resync-suspended:no out-of-sync:${behind}`,
  ];
}
