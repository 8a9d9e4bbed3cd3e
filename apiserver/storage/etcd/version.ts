/** From here on a progress notification never overtakes events, and compaction keeps deletes that watches still need. */
export const OLDEST_ETCD = "3.5.8";

/** Whether `version` (`3.5.16`) is at least `oldest`. An unreadable version is not. */
export function isAtLeast(version: string, oldest: string): boolean {
  const wanted = oldest.split(".").map(Number);
  const found = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (found === undefined) return false;
  for (const [index, number] of wanted.entries()) {
    const own = found[index] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}
