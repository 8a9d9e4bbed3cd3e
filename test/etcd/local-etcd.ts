import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { silentLogger } from "../../machinery/log.ts";

export const etcdBinary =
  process.env["FERRITE_ETCD"] ?? join(process.env["HOME"] ?? "/root", ".cache/ferrite/etcd-trixie/usr/bin/etcd");

/** A real etcd in a directory of its own, gone after `using`. */
export async function startEtcd(dir = mkdtempSync(join(tmpdir(), "ferrite-etcd-"))) {
  const etcd = await LocalEtcd.start({ binary: etcdBinary, dir, log: silentLogger });
  return {
    etcd,
    dir,
    endpoint: etcd.endpoint,
    async [Symbol.asyncDispose]() {
      await etcd.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
