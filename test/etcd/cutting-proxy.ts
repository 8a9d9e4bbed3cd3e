import { createConnection, createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface CuttingProxy {
  readonly endpoint: string;
  /** Breaks all connections now. */
  cut(): void;
  /** Breaks each connection once it has carried so many bytes from the server; `undefined`: never. */
  limitBytes: (() => number) | undefined;
  /** Refuses connections while it is false. */
  up: boolean;
  readonly cuts: number;
  close(): Promise<void>;
}

/** Stands between client and etcd on unix sockets, and breaks connections where a test wants them to break. */
export async function startCuttingProxy(path: string, targetEndpoint: string): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  const proxy = {
    endpoint: `unix:${path}`,
    limitBytes: undefined as (() => number) | undefined,
    up: true,
    cuts: 0,
    cut() {
      proxy.cuts++;
      for (const socket of open) socket.destroy();
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  const server = createServer((client) => {
    if (!proxy.up) return client.destroy();
    const target = createConnection({ path: targetEndpoint.slice("unix:".length) });
    const limit = proxy.limitBytes?.() ?? Number.POSITIVE_INFINITY;
    let carried = 0;
    target.on("data", (data) => {
      carried += data.length;
      if (carried > limit) {
        proxy.cuts++;
        client.destroy();
        target.destroy();
      }
    });
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    }
    return undefined;
  });
  server.listen(path);
  await once(server, "listening");
  return proxy;
}
