import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StorageUnavailableError } from "../errors.ts";
import type { EtcdClient } from "./client.ts";

/** etcd ends a snapshot with the SHA-256 of all that comes before. */
const HASH_BYTES = 32;
const NAME = /^snapshot-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db$/;

/**
 * Saves the whole store as one file, as `etcdctl snapshot save` does; `etcdutl snapshot restore` reads it. The file has
 * its name only when it is complete, verified and on disk; a crash leaves at most a `.part`.
 * Returns its path. The oldest files beyond `keep` are deleted afterwards.
 */
export async function saveSnapshot(client: EtcdClient, dir: string, now: Date, keep: number): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const stamp = now
    .toISOString()
    .replace(/\.\d{3}Z$/, "Z")
    .replaceAll(/[-:]/g, "");
  const path = join(dir, `snapshot-${stamp}.db`);
  const part = `${path}.part`;
  try {
    await download(client, part);
    await rename(part, path);
    await syncDirectory(dir);
  } finally {
    await rm(part, { force: true });
  }
  await rotate(dir, keep);
  return path;
}

/** When the newest of the snapshots in `dir` was taken; `undefined`: there is none. */
export async function newestSnapshot(dir: string): Promise<Date | undefined> {
  const all = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const newest = NAME.exec(
    all
      .filter((name) => NAME.test(name))
      .sort()
      .at(-1) ?? "",
  );
  if (newest === null) return undefined;
  const [, year, month, day, hour, minute, second] = newest;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

async function download(client: EtcdClient, path: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  const hash = createHash("sha256");
  // The last bytes are the hash itself: they are held back until more come, or the end.
  let tail = Buffer.alloc(0);
  for await (const blob of client.snapshot()) {
    await file.write(blob);
    const held = Buffer.concat([tail, blob]);
    const split = Math.max(0, held.length - HASH_BYTES);
    hash.update(held.subarray(0, split));
    tail = held.subarray(split);
  }
  if (!hash.digest().equals(tail)) {
    throw new StorageUnavailableError("etcd's snapshot arrived incomplete or damaged", { applied: "no" });
  }
  await file.sync();
}

async function syncDirectory(dir: string): Promise<void> {
  await using handle = await open(dir, "r");
  await handle.sync();
}

/** Also removes what a crash has left half-written. */
async function rotate(dir: string, keep: number): Promise<void> {
  const all = await readdir(dir);
  for (const name of all.filter((each) => each.endsWith(".db.part"))) await rm(join(dir, name), { force: true });
  const names = all.filter((name) => NAME.test(name)).sort();
  for (const name of names.slice(0, Math.max(0, names.length - keep))) await rm(join(dir, name), { force: true });
}
