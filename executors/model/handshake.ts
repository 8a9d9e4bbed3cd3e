import { compareGenerations, newGeneration, newUUID, type Relation } from "./disk.ts";
import type { DrbdModel } from "./drbd.ts";
import { type ModelReplica, rank } from "./replica.ts";

/** Two sides meet: both of them compare generations and come to the same result (drbd_sync_handshake). */
export function handshake(model: DrbdModel, a: ModelReplica, b: ModelReplica): void {
  const twoPrimaries = a.options.twoPrimaries && b.options.twoPrimaries;
  if (a.role === "Primary" && b.role === "Primary" && !twoPrimaries) return apart(model, a, b);
  const mine = a.attached ? a.disk?.metadata : undefined;
  const theirs = b.attached ? b.disk?.metadata : undefined;
  if (mine === undefined || theirs === undefined) return meetDiskless(model, a, b);
  agreeOnSize(a, b, "keep");
  const relation = settled(a, b, compareGenerations(mine, theirs, a.host < b.host));
  if (relation === "split-brain" || relation === "unrelated") return apart(model, a, b);
  if (relation === "equal") return meetEqual(model, a, b);
  const [source, target] = relation.startsWith("source") ? [a, b] : [b, a];
  if (source.diskState === "Inconsistent") return apart(model, a, b);
  if (target.role === "Primary" && rank(target.diskState) >= rank("Consistent")) return apart(model, a, b);
  beginResync(model, source, target, relation.endsWith("full"));
}

/** Both use what the smaller one has; room that was added later is taken only when somebody says `grow`. */
export function agreeOnSize(a: ModelReplica, b: ModelReplica, how: "keep" | "grow"): void {
  const sizes = [a, b].flatMap(({ disk }) => (how === "grow" ? disk?.usableBytes : disk?.metadata?.sizeBytes) ?? []);
  if (sizes.length === 0) return;
  for (const { disk } of [a, b]) if (disk?.metadata !== undefined) disk.metadata.sizeBytes = Math.min(...sizes);
}

/** An inconsistent side is always the target; after-sb-0pri discard-zero-changes, everything else disconnects. */
function settled(a: ModelReplica, b: ModelReplica, relation: Relation): Relation {
  const full = relation === "split-brain" || relation.endsWith("full");
  if (a.diskState === "Inconsistent" && rank(b.diskState) > rank("Inconsistent"))
    return full ? "target-full" : "target";
  if (b.diskState === "Inconsistent" && rank(a.diskState) > rank("Inconsistent"))
    return full ? "source-full" : "source";
  if (relation !== "split-brain") return relation;
  if (a.discardMyData !== b.discardMyData) return a.discardMyData ? "target-full" : "source-full";
  if (a.role === "Primary" || b.role === "Primary") return relation;
  if (b.disk?.metadata?.dirty.size === 0) return "source";
  return a.disk?.metadata?.dirty.size === 0 ? "target" : relation;
}

function apart(model: DrbdModel, a: ModelReplica, b: ModelReplica): void {
  model.lose(a, "StandAlone");
  model.lose(b, "StandAlone");
}

function meetDiskless(model: DrbdModel, a: ModelReplica, b: ModelReplica): void {
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    const exposed = self.exposed;
    const current = peer.disk?.metadata?.current;
    const strange = !self.attached && self.role === "Primary" && current !== undefined && (current & ~1n) !== exposed;
    if (strange) return apart(model, a, b);
  }
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    self.replication = "Established";
    self.peerRole = peer.role;
    if (self.attached && (self.diskState === "Consistent" || self.diskState === "Outdated"))
      self.diskState = "UpToDate";
  }
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    model.setPeerDisk(self, peer.attached ? peer.diskState : "Diskless");
    model.thaw(self);
    model.settle(self);
  }
}

function meetEqual(model: DrbdModel, a: ModelReplica, b: ModelReplica): void {
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    // A rebooted peer must not be sent what it may have lost: what waits counts as done here, and a new generation.
    if (self.suspendedFencing && self.owesGeneration && peer.diskState === "Consistent") {
      model.payGeneration(self);
      self.suspendedFencing = false;
      model.clearPending(self);
      model.lose(peer, "Connecting");
      return model.lose(self, "Connecting");
    }
  }
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    self.replication = "Established";
    self.peerRole = peer.role;
    if (rank(self.diskState) > rank("Inconsistent")) self.diskState = "UpToDate";
  }
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    self.peerDisk = peer.diskState;
    const md = self.disk?.metadata;
    if (md !== undefined) md.crashedPrimary = false;
    model.thaw(self);
    model.settle(self);
  }
}

function beginResync(model: DrbdModel, source: ModelReplica, target: ModelReplica, full: boolean): void {
  source.replication = "WFBitMapS";
  target.replication = "WFBitMapT";
  source.peerRole = target.role;
  target.peerRole = source.role;
  source.diskState = "UpToDate";
  if (rank(target.diskState) > rank("Outdated")) target.diskState = "Outdated";
  source.peerDisk = target.diskState === "Inconsistent" ? "Inconsistent" : "Consistent";
  target.peerDisk = "UpToDate";
  for (const side of [source, target]) {
    model.thaw(side);
    model.settle(side);
  }
  const { session } = target;
  void model.callHelper(target, "before-resync-target").then((code) => {
    const still = model.isLive(target) && model.isLive(source);
    if (!still || target.session !== session || source.session !== session) return;
    if (code !== 0) model.lose(target, "StandAlone");
    else startSync(model, source, target, full);
  });
}

function startSync(model: DrbdModel, source: ModelReplica, target: ModelReplica, full: boolean): void {
  const from = source.disk;
  const to = target.disk;
  if (from?.metadata === undefined || to?.metadata === undefined) return;
  const syncUUID = newUUID(model.random);
  from.metadata.bitmap = syncUUID;
  to.metadata.current = syncUUID;
  // All there is, and what is on its way to a disk of the two.
  const moving = [source, target].flatMap(({ inFlight }) => [...inFlight].map(({ block }) => block));
  const blocks = full ? new Set([...from.blocks, ...to.blocks, ...moving]) : to.metadata.dirty;
  for (const block of blocks) from.metadata.dirty.add(block);
  source.replication = "SyncSource";
  target.replication = "SyncTarget";
  target.diskState = "Inconsistent";
  source.peerDisk = "Inconsistent";
  model.settle(source);
  model.settle(target);
  const { session } = target;
  const going = () =>
    model.isLive(target) &&
    model.isLive(source) &&
    target.session === session &&
    source.session === session &&
    source.disk === from &&
    target.disk === to;
  const copy = (share: number) => {
    for (const side of [source, target]) if (side.disk?.failed === true) return model.ioError(side);
    for (const block of from.metadata?.dirty ?? []) {
      if (model.random.next() >= share) continue;
      if (from.blocks.has(block)) to.blocks.add(block);
      else to.blocks.delete(block);
    }
  };
  const halfMs = 200 + model.random.next() * 2000;
  model.clock.schedule(halfMs, () => going() && model.link.up && copy(0.5));
  const end = () => {
    if (!going()) return;
    // The resync of an extent waits for the writes of the application that are under way in it.
    const pending = [
      ...[...source.inFlight].filter(({ localPending }) => localPending),
      ...[...target.inFlight].filter(({ netPending }) => netPending),
    ];
    const busy = pending.some(({ block }) => from.metadata?.dirty.has(block));
    if (!model.link.up || busy) {
      model.clock.schedule(halfMs, end);
      return;
    }
    copy(1);
    if (going()) endSync(model, source, target);
  };
  model.clock.schedule(halfMs * 2, end);
}

function endSync(model: DrbdModel, source: ModelReplica, target: ModelReplica): void {
  const from = source.disk?.metadata;
  const to = target.disk?.metadata;
  if (from === undefined || to === undefined) return;
  from.history = [from.bitmap, ...from.history].slice(0, 2);
  from.bitmap = 0n;
  to.current = from.current & ~1n;
  to.bitmap = 0n;
  to.history = [...from.history];
  for (const md of [from, to]) {
    md.dirty.clear();
    md.crashedPrimary = false;
  }
  source.peerDisk = "UpToDate";
  target.diskState = "UpToDate";
  for (const side of [source, target]) {
    side.replication = "Established";
    model.checkData(side);
    model.settle(side);
  }
}

/** Online verify: marks on both sides what differs, repairs nothing. A lost connection ends it without a word. */
export function startVerify(model: DrbdModel, source: ModelReplica, target: ModelReplica): void {
  source.replication = "VerifyS";
  target.replication = "VerifyT";
  for (const side of [source, target]) model.settle(side);
  const { session } = source;
  model.clock.schedule(500 + model.random.next() * 1500, () => {
    const still =
      model.isLive(source) && model.isLive(target) && source.session === session && target.session === session;
    if (!still || source.replication !== "VerifyS") return;
    const [mine, theirs] = [source.disk, target.disk];
    if (mine?.metadata !== undefined && theirs?.metadata !== undefined) {
      const moving = new Set([...source.inFlight, ...target.inFlight].map(({ block }) => block));
      const differing = [...mine.blocks, ...theirs.blocks].filter(
        (block) => mine.blocks.has(block) !== theirs.blocks.has(block) && !moving.has(block),
      );
      for (const md of [mine.metadata, theirs.metadata]) for (const block of differing) md.dirty.add(block);
    }
    for (const side of [source, target]) {
      side.replication = "Established";
      model.settle(side);
    }
  });
}

/** Skips the first resync: both sides are declared equal (`new-current-uuid --clear-bitmap`). */
export function declareEqual(model: DrbdModel, a: ModelReplica, b: ModelReplica): void {
  const mine = a.disk?.metadata;
  const theirs = b.disk?.metadata;
  if (mine === undefined || theirs === undefined) return;
  mine.bitmap = 0n;
  mine.current = newUUID(model.random);
  theirs.current = mine.current;
  for (const [self, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    self.disk?.metadata?.dirty.clear();
    self.diskState = "UpToDate";
    self.peerDisk = peer.diskState === "Inconsistent" ? "UpToDate" : peer.diskState;
  }
  for (const side of [a, b]) model.settle(side);
}

/** `primary --force` on an Inconsistent disk: it becomes the source of a full resync. */
export function forceUpToDate(model: DrbdModel, replica: ModelReplica): void {
  const md = replica.disk?.metadata;
  if (md === undefined) return;
  // The generation is written to the disk before anything is made of it.
  if (replica.disk?.failed === true) return model.ioError(replica);
  replica.diskState = "UpToDate";
  newGeneration(md, model.random);
  const peer = model.peerOf(replica);
  if (peer !== undefined && model.connected(replica) !== undefined) handshake(model, replica, peer);
}
