import type { Random } from "../../machinery/random.ts";
import { internalMetadataBytes } from "../drbd/metadata-size.ts";

/** DRBD's metadata on a disk, as far as it decides anything. UUIDs are 64 bits; bit 0 of `current` means "was primary". */
export interface Metadata {
  current: bigint;
  bitmap: bigint;
  history: bigint[];
  /** Blocks that the two sides may hold differently. */
  dirty: Set<number>;
  /** The activity log: blocks that a primary began to write; compared after a crash. */
  active: Set<number>;
  consistent: boolean;
  wasUpToDate: boolean;
  primaryIndicator: boolean;
  peerOutdated: boolean;
  crashedPrimary: boolean;
  /** Usable size that both sides agreed on; `undefined`: of no interest. */
  sizeBytes?: number | undefined;
}

export const JUST_CREATED = 4n;

export const freshMetadata = (): Metadata => ({
  current: JUST_CREATED,
  bitmap: 0n,
  history: [],
  dirty: new Set(),
  active: new Set(),
  consistent: false,
  wasUpToDate: false,
  primaryIndicator: false,
  peerOutdated: false,
  crashedPrimary: false,
});

const copyMetadata = (md: Metadata): Metadata => ({
  ...md,
  history: [...md.history],
  dirty: new Set(md.dirty),
  active: new Set(md.active),
});

/** What a disk holds at one time. */
export interface DiskImage {
  readonly blocks: ReadonlySet<number>;
  readonly metadata: Metadata | undefined;
}

/** A disk: which writes it holds, each in a block of its own. What was completed survives a power cut. */
export class ModelDisk {
  readonly path: string;
  blocks = new Set<number>();
  metadata: Metadata | undefined;
  /** Answers every request with an error. */
  failed = false;
  /** The power went after it failed a write and before the helper could mark it. Until its metadata is made anew. */
  failedUnmarked = false;
  /** Time that one write takes. */
  latencyMs = 1;
  /** `undefined`: large enough for everything. */
  sizeBytes: number | undefined;

  constructor(path: string, sizeBytes?: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
  }

  /** What DRBD's metadata at its end leaves. */
  get usableBytes(): number | undefined {
    return this.sizeBytes === undefined ? undefined : this.sizeBytes - internalMetadataBytes(this.sizeBytes);
  }

  image(): DiskImage {
    return { blocks: new Set(this.blocks), metadata: this.metadata && copyMetadata(this.metadata) };
  }

  /** Data and metadata are those of the image, as after `lvconvert --merge` of a snapshot. */
  restore(image: DiskImage): void {
    this.blocks = new Set(image.blocks);
    this.metadata = image.metadata && copyMetadata(image.metadata);
  }
}

export function newUUID(random: Random): bigint {
  let value = 0n;
  for (const byte of random.bytes(8)) value = (value << 8n) | BigInt(byte);
  return value & ~1n;
}

/** Makes a new data generation; the old one becomes the one that the bitmap counts from. */
export function newGeneration(md: Metadata, random: Random): void {
  if (md.bitmap === 0n) md.bitmap = md.current & ~1n;
  md.current = newUUID(random) | (md.current & 1n);
}

export type Relation = "equal" | "source" | "source-full" | "target" | "target-full" | "split-brain" | "unrelated";

/**
 * Who has whose data, from `self`'s point of view: drbd_uuid_compare() of DRBD 8.4 (rules 10 to 110 in its source).
 * `tieBreak`: which side gives way when both crashed as primaries.
 */
export function compareGenerations(self: Metadata, peer: Metadata, tieBreak: boolean): Relation {
  const mine = self.current & ~1n;
  const theirs = peer.current & ~1n;
  const fresh = (uuid: bigint) => uuid === JUST_CREATED || uuid === 0n;
  if (fresh(mine) && fresh(theirs)) return "equal";
  if (fresh(mine)) return "target-full";
  if (fresh(theirs)) return "source-full";
  if (mine === theirs) {
    if (self.crashedPrimary && peer.crashedPrimary) return tieBreak ? "target" : "source";
    if (self.crashedPrimary) return "source";
    return peer.crashedPrimary ? "target" : "equal";
  }
  if (mine === peer.bitmap) return "target";
  if (peer.history.includes(mine)) return "target-full";
  if (theirs === self.bitmap) return "source";
  if (self.history.includes(theirs)) return "source-full";
  if (self.bitmap !== 0n && self.bitmap === peer.bitmap) return "split-brain";
  if (self.history.some((uuid) => peer.history.includes(uuid))) return "split-brain";
  return "unrelated";
}
