import type { Clock } from "../../machinery/clock.ts";
import type { Random } from "../../machinery/random.ts";
import type { DiskState } from "../drbd/state.ts";
import { newGeneration } from "./disk.ts";
import { handshake } from "./handshake.ts";
import { ModelLink } from "./link.ts";
import { type ModelReplica, type ModelWrite, newWrite, rank } from "./replica.ts";

/** A call of the kernel to user space. `undefined`: the helper died without an exit code. */
export type CallHelper = (host: string, event: string, subject: string) => Promise<number | undefined>;

/** One connection: each side sends on its own way. */
export interface Session {
  readonly send: ReadonlyMap<string, (deliver: () => void) => void>;
}

const CONNECT_MS = 2000;

/**
 * DRBD 8.4 on two hosts: states, generations and bitmaps, helper calls, freezing and releasing, as its source and
 * measurements on a real kernel say; what is unkind about it is kept. One volume and one peer for each resource.
 */
export class DrbdModel {
  readonly clock: Clock;
  readonly random: Random;
  readonly link: ModelLink;
  readonly #kernels = new Map<string, Map<string, ModelReplica>>();
  readonly #helper: CallHelper;
  readonly #changed: (replica: ModelReplica) => void;

  constructor(parts: {
    readonly clock: Clock;
    readonly random: Random;
    readonly hosts: readonly string[];
    readonly helper: CallHelper;
    /** Called after every change of a replica's state. */
    readonly changed: (replica: ModelReplica) => void;
  }) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.#helper = parts.helper;
    this.#changed = parts.changed;
    this.link = new ModelLink(parts.clock, parts.random);
    for (const host of parts.hosts) this.#kernels.set(host, new Map());
    this.link.onCut((cut) => this.#expectDetection(() => this.link.holds(cut)));
    // Who still believes in a connection that the other side gave up is told by a reset.
    this.link.onMend(() => {
      for (const replica of this.all()) this.#resetHalfOpen(replica);
    });
  }

  kernel(host: string): ReadonlyMap<string, ModelReplica> {
    return this.#kernels.get(host) ?? new Map<string, ModelReplica>();
  }

  all(): ModelReplica[] {
    return [...this.#kernels.values()].flatMap((kernel) => [...kernel.values()]);
  }

  add(replica: ModelReplica): void {
    this.#kernels.get(replica.host)?.set(replica.name, replica);
  }

  peerOf(replica: ModelReplica): ModelReplica | undefined {
    return this.all().find(({ name, host }) => name === replica.name && host !== replica.host);
  }

  isLive(replica: ModelReplica): boolean {
    return this.#kernels.get(replica.host)?.get(replica.name) === replica;
  }

  /** The kernel forgets a resource: `down`, or a reboot. */
  remove(replica: ModelReplica): void {
    this.#kernels.get(replica.host)?.delete(replica.name);
  }

  /** Power off: nothing is written any more, nobody is told. */
  powerOff(host: string): void {
    const gone = [...this.kernel(host).values()];
    this.#kernels.set(host, new Map());
    for (const replica of gone) {
      const peer = this.peerOf(replica);
      const session = replica.session;
      if (peer === undefined || session === undefined || peer.session !== session) continue;
      this.clock.schedule(this.link.detectionMs(), () => {
        if (peer.session === session && this.isLive(peer)) this.lose(peer, "Connecting");
      });
    }
  }

  connected(replica: ModelReplica): Session | undefined {
    return replica.net === "Connected" ? (replica.session as Session | undefined) : undefined;
  }

  /** Sends to the other end of the connection, if there is one. */
  tell(replica: ModelReplica, deliver: (peer: ModelReplica) => void): void {
    const peer = this.peerOf(replica);
    if (peer === undefined) return;
    this.connected(replica)?.send.get(replica.host)?.(() => deliver(peer));
  }

  callHelper(replica: ModelReplica, event: string): Promise<number | undefined> {
    const subject =
      event === "local-io-error" || event === "before-resync-target" ? `minor-${replica.options.minor}` : replica.name;
    return this.#helper(replica.host, event, subject);
  }

  /** Writes the flags that a state implies to the metadata, as __drbd_set_state does, and tells who follows. */
  settle(replica: ModelReplica): void {
    const md = replica.disk?.metadata;
    if (md !== undefined && replica.attached && replica.disk?.failed === false) {
      md.primaryIndicator = replica.role === "Primary";
      md.consistent = rank(replica.diskState) > rank("Inconsistent");
      md.wasUpToDate = rank(replica.diskState) > rank("Outdated");
      md.peerOutdated = replica.peerDisk === "Inconsistent" || replica.peerDisk === "Outdated";
    }
    this.#changed(replica);
  }

  /** No data anywhere that could be reached: requests wait (`on-no-data-accessible suspend-io`). */
  checkData(replica: ModelReplica): void {
    const none = rank(replica.diskState) < rank("UpToDate") && rank(replica.peerDisk) < rank("UpToDate");
    if (replica.options.onNoData === "suspend-io" && replica.role === "Primary" && none) replica.suspendedNoData = true;
    else if (replica.suspendedNoData && !none && rank(replica.peerDisk) >= rank("UpToDate")) {
      replica.suspendedNoData = false;
      this.resend(replica);
    }
  }

  /** What the peer says of its disk, or what becomes of it when it cannot be reached. */
  setPeerDisk(replica: ModelReplica, next: DiskState): void {
    const before = replica.peerDisk;
    replica.peerDisk = next;
    const md = replica.disk?.metadata;
    const had = before === "Inconsistent" || before === "Consistent" || before === "UpToDate";
    const lost = rank(next) < rank("Inconsistent") || next === "DUnknown" || next === "Outdated";
    const primaryHere = replica.role === "Primary" || replica.peerRole === "Primary";
    if (had && lost && primaryHere && md?.bitmap === 0n && replica.diskState === "UpToDate") {
      if (replica.suspended) replica.owesGeneration = true;
      else newGeneration(md, this.random);
      // A peer without its disk goes on with this data and with no other.
      this.tell(replica, (peer) => {
        if (!peer.attached) peer.exposed = md.current & ~1n;
      });
    }
    this.checkData(replica);
  }

  /** This side notices that the connection is gone, or gives it up. */
  lose(replica: ModelReplica, next: "Connecting" | "StandAlone"): void {
    const { session } = replica;
    const wasUnfenced =
      replica.role === "Primary" && replica.net !== "Connected" && rank(replica.peerDisk) > rank("Outdated");
    replica.session = undefined;
    replica.net = next;
    replica.replication = "Off";
    replica.connectCount++;
    const unknown = rank(replica.peerDisk) > rank("DUnknown") || rank(replica.peerDisk) < rank("Inconsistent");
    const peerDisk: DiskState = unknown ? "DUnknown" : replica.peerDisk;
    // Who is not even Consistent itself neither freezes for fencing nor asks: it has no data to go on with.
    const able = replica.attached && rank(replica.diskState) >= rank("Consistent");
    const unfenced = replica.role === "Primary" && rank(peerDisk) > rank("Outdated") && able;
    const fences = replica.options.fencing === "resource-and-stonith";
    if (fences && unfenced && !wasUnfenced) replica.suspendedFencing = true;
    replica.peerRole = "Unknown";
    this.setPeerDisk(replica, peerDisk);
    if (!replica.suspended) this.clearPending(replica);
    this.settle(replica);
    if (session !== undefined) this.#resetPeer(replica, session);
    if (next === "Connecting") this.keepConnecting(replica);
    if (fences && unfenced) void this.fencePeer(replica);
  }

  #resetPeer(replica: ModelReplica, session: object): void {
    if (!this.link.up) return; // it notices by itself, or when the link is back
    const peer = this.peerOf(replica);
    this.clock.schedule(this.link.latencyMs(), () => {
      if (peer?.session === session && this.isLive(peer)) this.lose(peer, "Connecting");
    });
  }

  #resetHalfOpen(replica: ModelReplica): void {
    const { session } = replica;
    if (session === undefined || this.peerOf(replica)?.session === session) return;
    this.clock.schedule(this.random.next() * 2000, () => {
      if (replica.session === session && this.isLive(replica)) this.lose(replica, "Connecting");
    });
  }

  #expectDetection(holds: () => boolean): void {
    for (const replica of this.all()) {
      const { session } = replica;
      if (session === undefined) continue;
      this.clock.schedule(this.link.detectionMs(), () => {
        if (holds() && replica.session === session && this.isLive(replica)) this.lose(replica, "Connecting");
      });
    }
  }

  /** A connection that is torn down from outside, as by a killed socket: both ends hear of it. */
  reset(replica: ModelReplica): void {
    if (this.connected(replica) !== undefined) this.lose(replica, "Connecting");
  }

  keepConnecting(replica: ModelReplica): void {
    this.clock.schedule(100 + this.random.next() * CONNECT_MS, () => {
      if (!this.isLive(replica) || replica.net !== "Connecting" || replica.session !== undefined) return;
      const peer = this.peerOf(replica);
      if (this.link.up && peer !== undefined) {
        if (peer.net === "Connecting") return this.#connect(replica, peer);
        this.#resetHalfOpen(peer);
      }
      this.keepConnecting(replica);
    });
  }

  #connect(a: ModelReplica, b: ModelReplica): void {
    this.#join(a, b);
    handshake(this, a, b);
  }

  #join(a: ModelReplica, b: ModelReplica): void {
    const session: Session = {
      send: new Map([
        [a.host, this.link.direction(a.host, () => this.isLive(b) && b.session === session)],
        [b.host, this.link.direction(b.host, () => this.isLive(a) && a.session === session)],
      ]),
    };
    for (const replica of [a, b]) {
      replica.session = session;
      replica.net = "Connected";
    }
  }

  /** Two connected sides as they were in another model: whole, and nothing on its way. */
  adopt(a: ModelReplica, b: ModelReplica): void {
    for (const replica of [a, b]) this.add(replica);
    this.#join(a, b);
  }

  /** The link works again: pending requests are sent once more, and I/O goes on. */
  thaw(replica: ModelReplica): void {
    if (replica.suspendedFencing) {
      replica.suspendedFencing = false;
      replica.owesGeneration = false;
    }
    this.resend(replica);
    this.checkData(replica);
  }

  resend(replica: ModelReplica): void {
    for (const write of replica.inFlight) if (write.netPending) this.#sendWrite(replica, write);
    this.release(replica);
  }

  /** Calls the helper for a lost peer; its exit code counts only while that loss is the last one. */
  async fencePeer(replica: ModelReplica): Promise<boolean> {
    if (rank(replica.diskState) < rank("Consistent")) return false;
    const count = replica.connectCount;
    const code = await this.callHelper(replica, "fence-peer");
    if (!this.isLive(replica) || replica.net === "Connected" || replica.connectCount !== count) return false;
    const outdated = code === 4 || code === 7 || (code === 5 && replica.diskState === "UpToDate");
    if (code === 3) replica.peerDisk = "Inconsistent";
    else if (outdated) replica.peerDisk = "Outdated";
    else return false;
    this.peerIsFenced(replica);
    return true;
  }

  /** The peer is known to be behind: a new generation, then everything that waited completes on this side alone. */
  peerIsFenced(replica: ModelReplica): void {
    if (replica.suspendedFencing) {
      this.payGeneration(replica);
      replica.suspendedFencing = false;
      this.clearPending(replica);
      this.release(replica);
    }
    this.settle(replica);
  }

  payGeneration(replica: ModelReplica): void {
    const md = replica.disk?.metadata;
    if (replica.owesGeneration && md !== undefined) newGeneration(md, this.random);
    replica.owesGeneration = false;
  }

  /** tl_clear: what was sent and not answered counts as done here and as missing there. */
  clearPending(replica: ModelReplica): void {
    for (const write of replica.inFlight) {
      if (!write.netPending) continue;
      write.netPending = false;
      write.netFailed = true;
      replica.disk?.metadata?.dirty.add(write.block);
    }
    this.release(replica);
  }

  /** Completes and starts what may be; a frozen device keeps everything. */
  release(replica: ModelReplica): void {
    if (replica.suspended) return;
    for (const write of replica.inFlight) this.complete(replica, write);
    for (const write of replica.blocked.splice(0)) this.start(replica, write);
  }

  complete(replica: ModelReplica, write: ModelWrite): void {
    if (!this.isLive(replica) || replica.suspended || write.localPending || write.netPending) return;
    if (!replica.inFlight.delete(write)) return;
    write.done(!write.localFailed || !write.netFailed);
  }

  /** A write request at the device; `done` is the answer that its writer gets. */
  write(replica: ModelReplica, block: number, done: (ok: boolean) => void): void {
    const write = newWrite(block, done);
    if (replica.role !== "Primary") return done(false);
    if (replica.suspended) replica.blocked.push(write);
    else this.start(replica, write);
  }

  start(replica: ModelReplica, write: ModelWrite): void {
    const { disk } = replica;
    const local = disk !== undefined && rank(replica.diskState) >= rank("Inconsistent");
    const syncing = replica.replication === "SyncSource" || replica.replication === "SyncTarget";
    const remote =
      this.connected(replica) !== undefined &&
      (replica.peerDisk === "UpToDate" || (syncing && rank(replica.peerDisk) >= rank("Inconsistent")));
    replica.inFlight.add(write);
    if (local) disk.metadata?.active.add(write.block);
    write.localPending = local;
    write.netPending = remote;
    if (remote) this.#sendWrite(replica, write);
    else disk?.metadata?.dirty.add(write.block);
    if (local) this.#storeOwn(replica, write);
    else this.complete(replica, write);
  }

  #storeOwn(replica: ModelReplica, write: ModelWrite): void {
    this.#store(replica, write.block, (ok) => {
      write.localPending = false;
      write.localFailed = !ok;
      this.complete(replica, write);
    });
  }

  /** A disk is back under what waited for data: whatever had come to its local end there is written once more. */
  restartFrozen(replica: ModelReplica): void {
    for (const write of replica.inFlight) {
      if (write.localPending) continue;
      write.localPending = true;
      this.#storeOwn(replica, write);
    }
    this.release(replica);
  }

  /** Puts a block on the local disk; an error there makes DRBD give the disk up. */
  #store(replica: ModelReplica, block: number, done: (ok: boolean) => void): void {
    const { disk } = replica;
    if (disk === undefined) return done(false);
    this.clock.schedule(disk.latencyMs * (0.5 + this.random.next()), () => {
      if (!this.isLive(replica)) return; // the power went first
      const ok = !disk.failed && replica.disk === disk;
      if (ok) disk.blocks.add(block);
      else this.ioError(replica);
      done(ok);
    });
  }

  #sendWrite(replica: ModelReplica, write: ModelWrite): void {
    this.tell(replica, (peer) => {
      this.#store(peer, write.block, (ok) => {
        this.tell(peer, () => {
          if (!write.netPending) return;
          write.netPending = false;
          write.netFailed = !ok;
          if (!ok) replica.disk?.metadata?.dirty.add(write.block);
          this.complete(replica, write);
        });
      });
    });
  }

  /** The disk answered with an error: the helper is called while the answers to the peer are already under way. */
  ioError(replica: ModelReplica): void {
    if (rank(replica.diskState) <= rank("Failed")) return;
    replica.exposed = (replica.disk?.metadata?.current ?? 0n) & ~1n;
    replica.diskState = "Failed";
    replica.disk = undefined;
    this.checkData(replica);
    this.settle(replica);
    const asks = replica.options.onIoError === "call-local-io-error";
    void (asks ? this.callHelper(replica, "local-io-error") : Promise.resolve(0)).then(() => {
      if (!this.isLive(replica) || replica.diskState !== "Failed") return;
      replica.diskState = "Diskless";
      this.settle(replica);
      this.tell(replica, (peer) => {
        this.setPeerDisk(peer, "Diskless");
        this.settle(peer);
      });
    });
  }
}
