const SECTOR_BYTES = 512;
/** One bitmap bit for 4 KiB, kept in whole 4 KiB pages: 8 sectors of bitmap for each 2^18 sectors of device. */
const SECTORS_PER_BITMAP_PAGE = 2 ** 18;
const SECTORS_PER_PAGE = 8;
/** Activity log (32 KiB) and superblock (4 KiB). */
const FIXED_SECTORS = 72;

/**
 * Bytes that DRBD's internal metadata (format v08, one peer) takes at the end of a device of `deviceBytes`.
 * Source: the DRBD User's Guide, "Estimating metadata size": ceil(sectors / 2^18) * 8 + 72 sectors.
 */
export function internalMetadataBytes(deviceBytes: number): number {
  const sectors = Math.ceil(deviceBytes / SECTOR_BYTES);
  return (Math.ceil(sectors / SECTORS_PER_BITMAP_PAGE) * SECTORS_PER_PAGE + FIXED_SECTORS) * SECTOR_BYTES;
}

/** The smallest multiple of `unitBytes` (an LVM extent) that leaves `usableBytes` beside internal metadata. */
export function backingBytes(usableBytes: number, unitBytes: number): number {
  const roundUp = (bytes: number) => Math.ceil(bytes / unitBytes) * unitBytes;
  let size = roundUp(usableBytes + internalMetadataBytes(usableBytes));
  // The bitmap grows with the device, which holds the bitmap too: at most one more step.
  while (size - internalMetadataBytes(size) < usableBytes) size += unitBytes;
  return size;
}
