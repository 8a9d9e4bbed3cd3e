import { readFile } from "node:fs/promises";
import { replaceFile } from "../apiserver/access/pki/files.ts";
import { listAll } from "../apiserver/storage/list-all.ts";
import type { Storage } from "../apiserver/storage/types.ts";
import { HOST_PAIRS, type HostPair } from "../crds/generated/host-pair.ts";
import { type Clock, formatTime, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { type Random, uuid } from "../machinery/random.ts";

export interface StoreLifeOptions {
  readonly storage: Pick<Storage, "list" | "replace" | "currentRevision">;
  /** Beside the store, not in it: how far the store was when it was last looked at. */
  readonly path: string;
  /** The store is this server's alone. A further server of a shared one has no note at first, and nothing was restored. */
  readonly isOwn: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A restore with `--bump-revision 1000000000` jumps by that much; nobody writes so much while no server looks. */
const JUMP = 900_000_000;
const LOOK_MS = 10_000;

/**
 * Sees that the store was put back to the past: it is behind what was last seen of it, or far ahead, or nothing is known
 * of a store that is this server's own (a data directory made anew around a snapshot). Then every HostPair gets a new incarnation before anybody is
 * served: hosts that were off know nothing of what the store forgot, and must not decide by it either.
 */
export async function renewAfterRestore(options: StoreLifeOptions): Promise<boolean> {
  const seen = await readSeen(options.path);
  const revision = await options.storage.currentRevision();
  const isRestored = seen === undefined ? options.isOwn : revision < seen || revision - seen > JUMP;
  if (isRestored) await renewIncarnations(options, { seen, revision });
  await replaceFile(options.path, `${await options.storage.currentRevision()}\n`);
  return isRestored;
}

/** Notes how far the store is, until `signal` fires. */
export async function followStoreLife(options: StoreLifeOptions, signal: AbortSignal): Promise<void> {
  const { storage, path, clock, log } = options;
  let noted = 0;
  while (!signal.aborted) {
    await sleep(clock, LOOK_MS, signal).catch(() => undefined); // only the signal rejects
    try {
      const revision = await storage.currentRevision();
      if (revision !== noted) await replaceFile(path, `${revision}\n`);
      noted = revision;
    } catch (err) {
      if (!signal.aborted) log.warn({ err, path }, "could not note how far the store is");
    }
  }
}

async function readSeen(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return /^\d+\n$/.test(text) ? Number(text) : undefined;
}

async function renewIncarnations(
  { storage, clock, random, log }: StoreLifeOptions,
  why: { readonly seen: number | undefined; readonly revision: number },
): Promise<void> {
  const incarnation = uuid(random);
  const prefix = `/registry/${HOST_PAIRS.group}/${HOST_PAIRS.plural}/`;
  const { items } = await listAll(storage, prefix);
  for (const { key, object, revision } of items) {
    const pair = object as unknown as HostPair;
    if (pair.status === undefined) continue;
    const { status } = pair;
    const time = formatTime(clock.now());
    const decision = { ...status.decision, nonce: uuid(random), reason: "StoreRestored", time };
    const renewed = { ...pair, status: { ...status, epoch: status.epoch + 1, incarnation, decision } };
    await storage.replace(key, revision, renewed);
  }
  // A new store has none, and nothing was lost.
  if (items.length > 0)
    log.warn({ ...why, incarnation }, "the store is not the one that was last seen: hosts' records begin a new life");
}
