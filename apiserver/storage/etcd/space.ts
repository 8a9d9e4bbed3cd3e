import type { Logger } from "../../../machinery/log.ts";
import type { EtcdClient } from "./client.ts";
import type { Compactor } from "./compactor.ts";
import { ALARM_NO_SPACE } from "./messages/maintenance.ts";

/** Below this a defragmentation, which stops etcd for its time, is not worth it. */
const MIN_RECLAIM_BYTES = 64 * 1024 * 1024;
/** A full database takes writes again below this part of its quota. */
const DISARM_SHARE = 0.8;

/** Gives the space of dropped history back to the file system, when it is the larger part of the file. */
export async function reclaimSpace(client: EtcdClient, log: Logger): Promise<void> {
  const { sizeBytes, usedBytes } = await client.status();
  const freeBytes = sizeBytes - usedBytes;
  if (freeBytes < MIN_RECLAIM_BYTES || freeBytes < sizeBytes / 2) return;
  await client.defragment();
  log.info({ sizeBytes, usedBytes }, "etcd defragmented");
}

/**
 * etcd refuses all writes once its file has reached the quota, until somebody makes room and lifts the alarm. History
 * goes first: what is older than an interval, and if that is too little all of it. Returns whether writes work.
 */
export async function relieveFullDatabase(
  client: EtcdClient,
  compactor: Compactor,
  quotaBytes: number,
  log: Logger,
): Promise<boolean> {
  const full = (await client.alarms()).filter(({ type }) => type === ALARM_NO_SPACE);
  if (full.length === 0) return true;
  for (const revision of [compactor.oldRevision, await readRevision(client)]) {
    if (revision > 0) await compactor.compact(revision);
    await client.defragment();
    const { sizeBytes } = await client.status();
    if (sizeBytes > quotaBytes * DISARM_SHARE) continue;
    for (const alarm of full) await client.deactivate(alarm);
    log.warn({ sizeBytes, quotaBytes, compacted: revision }, "etcd was full, made room");
    return true;
  }
  log.error({ quotaBytes }, "etcd is full of objects: raise its quota or delete some");
  return false;
}

async function readRevision(client: EtcdClient): Promise<number> {
  return (await client.range({ key: "\0", keysOnly: true })).revision;
}
