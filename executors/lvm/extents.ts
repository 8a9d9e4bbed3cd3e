/** LVM gives out whole extents (lvmsystemid(7), vgcreate(8) --physicalextentsize). */
export function extentsFor(sizeBytes: number, extentSizeBytes: number): number {
  return Math.ceil(sizeBytes / extentSizeBytes);
}

/** The size that a logical volume gets when `sizeBytes` are asked for. */
export function roundUpToExtents(sizeBytes: number, extentSizeBytes: number): number {
  return extentsFor(sizeBytes, extentSizeBytes) * extentSizeBytes;
}

/** Largest metadata that a thin pool can use (lvmthin(7)). */
const MAX_POOL_METADATA_BYTES = 15.81 * 2 ** 30;
const MIN_POOL_METADATA_BYTES = 2 * 2 ** 20;
/** Metadata of one mapped chunk (lvmthin(7), thin_metadata_size(8)). */
const METADATA_BYTES_PER_CHUNK = 64;
const DEFAULT_CHUNK_BYTES = 64 * 2 ** 10;

/**
 * What a thin pool of `sizeBytes` takes of its volume group: data, metadata and the spare copy of the metadata that LVM
 * keeps for repair (lvmthin(7)). An estimate from above: LVM enlarges the chunk of big pools, which needs less.
 */
export function thinPoolFootprint(
  sizeBytes: number,
  extentSizeBytes: number,
  chunkBytes = DEFAULT_CHUNK_BYTES,
): number {
  const needed = Math.ceil(sizeBytes / chunkBytes) * METADATA_BYTES_PER_CHUNK;
  const metadata = Math.min(Math.max(needed, MIN_POOL_METADATA_BYTES), MAX_POOL_METADATA_BYTES);
  return roundUpToExtents(sizeBytes, extentSizeBytes) + 2 * roundUpToExtents(metadata, extentSizeBytes);
}
