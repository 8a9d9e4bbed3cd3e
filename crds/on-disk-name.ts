/** Longest name that LVM, DRBD, NBD and the hypervisors all take. */
const MAX_LENGTH = 63;

/** Beginnings that LVM keeps for itself (lvm(8), VALID NAMES). */
const RESERVED_PREFIXES = ["snapshot", "pvmove"];

/** The thin pool of every volume group of ours; no object can have this name, for a label has no underscore. */
export const THIN_POOL_NAME = "ferrite_pool";

/**
 * Name of an object outside Kubernetes: of its logical volume, DRBD resource, export or domain. Unique in the cluster,
 * for a label has no dot.
 */
export function onDiskName(namespace: string, name: string): string {
  return namespace === "default" ? name : `${namespace}.${name}`;
}

/** What is wrong with a name on disk, for people; `undefined` when nothing is. */
export function onDiskNameProblem(onDisk: string): string | undefined {
  if (onDisk.length > MAX_LENGTH)
    return `namespace and name together are ${onDisk.length} characters on disk (${onDisk}); at most ${MAX_LENGTH} fit`;
  const reserved = RESERVED_PREFIXES.find((prefix) => onDisk.startsWith(prefix));
  if (reserved !== undefined)
    return `LVM reserves names that begin with "${reserved}"; ${onDisk} cannot be used on disk`;
  return undefined;
}
