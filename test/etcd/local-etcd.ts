import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { silentLogger } from "../../machinery/log.ts";

export const etcdBinary =
  process.env["FERRITE_ETCD"] ?? join(process.env["HOME"] ?? "/root", ".cache/ferrite/etcd-trixie/usr/bin/etcd");

/** A real etcd, ended after `using`; without `dir` in a directory of its own, which goes with it. */
export async function startEtcd(options: { readonly dir?: string; readonly quotaBytes?: number } = {}) {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  const etcd = await LocalEtcd.start({ ...options, binary: etcdBinary, dir, log: silentLogger });
  return {
    etcd,
    dir,
    endpoint: etcd.endpoint,
    async [Symbol.asyncDispose]() {
      await etcd.stop();
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}
