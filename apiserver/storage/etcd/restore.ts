import { execFile } from "node:child_process";
import { chown, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { TerminalError } from "../../../machinery/errors.ts";
import { lockDataDir } from "./instance-lock.ts";

export interface RestoreOptions {
  /** Program that comes with etcd 3.5. */
  readonly etcdutl: string;
  /** What `saveSnapshot` wrote, or `etcdctl snapshot save`. */
  readonly snapshot: string;
  /** Of the LocalEtcd that is to run on it: `data` in it must not be there. */
  readonly dir: string;
  /** Whose the files become. */
  readonly owner?: Owner;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * More revisions than can have been written since any snapshot: clients must never see one for a second time, with
 * other content, and what they remember must be too old, not too new.
 */
const REVISION_BUMP = 1_000_000_000;
const NOWHERE = "http://127.0.0.1:2380";

/**
 * Makes the data directory of a LocalEtcd from a snapshot, while no server runs on it. Whole or not at all: a crash
 * leaves a `.part`, which the next run removes. Throws TerminalError: a server is running, data is there already, the
 * program is missing, the snapshot is damaged.
 */
export async function restoreSnapshot({ etcdutl, snapshot, dir, owner }: RestoreOptions): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const unlock = await lockDataDir(dir);
  try {
    const data = join(dir, "data");
    if (await exists(data)) {
      throw new TerminalError(
        "DataPresent",
        `${data} is there: nothing is restored over data; move it away first, such as: mv ${data} ${data}.old`,
      );
    }
    const part = `${data}.part`;
    await rm(part, { recursive: true, force: true });
    await runEtcdutl(etcdutl, snapshot, part);
    if (owner !== undefined) {
      await chown(dir, owner.uid, owner.gid);
      await giveTo(part, owner);
    }
    await rename(part, data);
  } finally {
    await unlock();
  }
}

/** The `etcdutl` next to an etcd, where that is a path; else the one in PATH. */
export const etcdutlBeside = (etcd: string): string =>
  etcd.includes("/") ? join(dirname(etcd), "etcdutl") : "etcdutl";

async function runEtcdutl(program: string, snapshot: string, dataDir: string): Promise<void> {
  const argv = [
    "snapshot",
    "restore",
    snapshot,
    `--data-dir=${dataDir}`,
    "--name=local",
    `--initial-cluster=local=${NOWHERE}`,
    `--initial-advertise-peer-urls=${NOWHERE}`,
    `--bump-revision=${REVISION_BUMP}`,
    "--mark-compacted",
  ];
  try {
    await promisify(execFile)(program, argv, { maxBuffer: 16 * 2 ** 20 });
  } catch (cause) {
    const { code, stderr = "" } = cause as NodeJS.ErrnoException & { stderr?: string };
    if (code === "ENOENT") {
      const where = "it comes with etcd 3.5 and later (Debian 13: package etcd-server); say where it is by --etcdutl";
      throw new TerminalError("EtcdutlMissing", `cannot run ${program}: ${where}`, { cause });
    }
    const why = stderr.trim().split("\n").slice(-3).join(" ");
    throw new TerminalError("RestoreFailed", `etcdutl could not restore ${snapshot}: ${why}`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** A directory and all that is in it. */
export async function giveTo(path: string, owner: Owner): Promise<void> {
  for (const entry of await readdir(path, { recursive: true })) await chown(join(path, entry), owner.uid, owner.gid);
  await chown(path, owner.uid, owner.gid);
}
