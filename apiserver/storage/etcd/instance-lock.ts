import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { TerminalError } from "../../../machinery/errors.ts";

/**
 * Keeps a second server away from a data directory. The lock is a name in Linux's abstract socket namespace
 * (unix(7)): the kernel drops it with the process, so that no crash leaves it behind.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const name = createHash("sha256").update(dataDir).digest("hex");
  const server = createServer((socket) => socket.destroy());
  await listen(server, `\0ferrite-etcd-${name}`, dataDir);
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function listen(server: Server, address: string, dataDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(error);
      reject(new TerminalError("DataDirInUse", `another server runs etcd in ${dataDir}`, { cause: error }));
    });
    server.listen(address, resolve);
  });
}
