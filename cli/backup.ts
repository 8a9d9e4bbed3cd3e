import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { ensurePrivateDirectory } from "../apiserver/access/pki/files.ts";
import { copyKeys, hasKeys } from "../apiserver/access/pki/keep-keys.ts";
import { EtcdClient } from "../apiserver/storage/etcd/client.ts";
import { etcdutlBeside, giveTo, restoreSnapshot } from "../apiserver/storage/etcd/restore.ts";
import { RpcError } from "../apiserver/storage/etcd/rpc/status.ts";
import { saveSnapshot } from "../apiserver/storage/etcd/snapshot.ts";
import { systemClock } from "../machinery/clock.ts";
import { OperatorError } from "../machinery/errors.ts";

interface BackupFlags {
  readonly dataDir: string;
}

interface RestoreFlags extends BackupFlags {
  readonly etcdutl: string;
}

const DATA_DIR = "/var/lib/ferrite/server";
const SNAPSHOT = "snapshot.db";
/** A large database takes its time. */
const TIMEOUT_MS = 600_000;

export function addBackupCommands(program: Command): void {
  program
    .command("backup <directory>")
    .description("save all objects and the keys of a running server with an etcd of its own")
    .option("--data-dir <path>", "of the server", DATA_DIR)
    .action((directory: string, flags: BackupFlags) => told(backup(resolve(directory), resolve(flags.dataDir))));
  program
    .command("restore <path>")
    .description("make a stopped server's data from a backup, or from a snapshot file of etcd; never over data")
    .option("--data-dir <path>", "of the server", DATA_DIR)
    .option(
      "--etcdutl <path>",
      "etcd's program that restores snapshots",
      etcdutlBeside(process.env["FERRITE_ETCD"] ?? "etcd"),
    )
    .action((path: string, flags: RestoreFlags) => told(restore(resolve(path), flags)));
}

/** What an administrator can act on is a line, not a stack. */
async function told(work: Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await work}\n`);
  } catch (error) {
    const known = error instanceof OperatorError || error instanceof RpcError || isFileError(error);
    if (!known) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Such as ENOENT: its message names the path. */
const isFileError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && "syscall" in error;

/** The keys first: a backup without them is a worse surprise than one without the newest objects. */
async function backup(directory: string, dataDir: string): Promise<string> {
  await ensurePrivateDirectory(directory);
  await copyKeys(join(dataDir, "pki"), directory);
  const socket = join(dataDir, "etcd", "client.sock");
  const client = new EtcdClient(`unix:${socket}`, { requestTimeoutMs: TIMEOUT_MS }, systemClock);
  const part = await mkdtemp(join(directory, ".part-"));
  try {
    // It answers at once when it is missing; a call to it would only time out.
    await stat(socket);
    await rename(await saveSnapshot(client, part, systemClock.now(), 1), join(directory, SNAPSHOT));
  } finally {
    client.close();
    await rm(part, { recursive: true });
  }
  return `saved to ${directory}: ${SNAPSHOT} and the keys; keep it as safe as the server itself`;
}

async function restore(path: string, { dataDir, etcdutl }: RestoreFlags): Promise<string> {
  const target = resolve(dataDir);
  const whole = (await stat(path)).isDirectory();
  const withKeys = whole && (await hasKeys(path));
  await ensurePrivateDirectory(target);
  // Whoever runs this, the server must be able to read it.
  const { uid, gid } = await stat(target);
  const pki = join(target, "pki");
  if (withKeys) {
    await copyKeys(path, pki);
    await giveTo(pki, { uid, gid });
  }
  const snapshot = whole ? join(path, SNAPSHOT) : path;
  await restoreSnapshot({ etcdutl, snapshot, dir: join(target, "etcd"), owner: { uid, gid } });
  return `restored ${snapshot} to ${target}${withKeys ? ", with its keys" : ""}; start the server`;
}
