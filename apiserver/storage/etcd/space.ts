import type { Etcd3 } from "etcd3";
import type { Logger } from "../../../machinery/log.ts";
import type { Compactor } from "./compactor.ts";
import { decodeRevision } from "./wire.ts";

/** Below this a defragmentation, which stops etcd for its time, is not worth it. */
const MIN_RECLAIM_BYTES = 64 * 1024 * 1024;
/** A full database takes writes again below this part of its quota. */
const DISARM_SHARE = 0.8;

interface Usage {
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

/** Gives the space of dropped history back to the file system, when it is the larger part of the file. */
export async function reclaimSpace(client: Etcd3, log: Logger): Promise<void> {
  const { sizeBytes, usedBytes } = await readUsage(client);
  const freeBytes = sizeBytes - usedBytes;
  if (freeBytes < MIN_RECLAIM_BYTES || freeBytes < sizeBytes / 2) return;
  await client.maintenance.defragment();
  log.info({ sizeBytes, usedBytes }, "etcd defragmented");
}

/**
 * etcd refuses all writes once its file has reached the quota, until somebody makes room and lifts the alarm. History
 * goes first: what is older than an interval, and if that is too little all of it. Returns whether writes work.
 */
export async function relieveFullDatabase(
  client: Etcd3,
  compactor: Compactor,
  quotaBytes: number,
  log: Logger,
): Promise<boolean> {
  const { alarms } = await client.maintenance.alarm({ action: "Get" });
  const full = alarms.filter(({ alarm }) => alarm === "Nospace");
  if (full.length === 0) return true;
  for (const revision of [compactor.oldRevision, await readRevision(client)]) {
    if (revision > 0) await compactor.compact(revision);
    await client.maintenance.defragment();
    const { sizeBytes } = await readUsage(client);
    if (sizeBytes > quotaBytes * DISARM_SHARE) continue;
    for (const alarm of full) await client.maintenance.alarm({ action: "Deactivate", ...alarm });
    log.warn({ sizeBytes, quotaBytes, compacted: revision }, "etcd was full, made room");
    return true;
  }
  log.error({ quotaBytes }, "etcd is full of objects: raise its quota or delete some");
  return false;
}

async function readUsage(client: Etcd3): Promise<Usage> {
  const status = await client.maintenance.status();
  return { sizeBytes: Number(status.dbSize), usedBytes: Number(status.dbSizeInUse) };
}

async function readRevision(client: Etcd3): Promise<number> {
  const { header } = await client.kv.range({ key: Buffer.from("\0"), keys_only: true });
  return decodeRevision(header.revision);
}
