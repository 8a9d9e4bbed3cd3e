import type { EtcdClient } from "./client.ts";
import { RpcError } from "./rpc/status.ts";

/**
 * The revision up to which history is gone. Only after etcd has called a revision compacted: no call tells it, but
 * etcd names it when it refuses a watch from the beginning.
 */
export async function readCompactRevision(client: EtcdClient): Promise<number> {
  const stream = await client.watch();
  try {
    stream.create({ key: "\0", startRevision: 1 });
    for await (const responses of stream.responses()) {
      const refusal = responses.find(({ canceled }) => canceled);
      if (refusal !== undefined) return refusal.compactRevision;
    }
  } finally {
    stream.close();
  }
  throw new RpcError("UNAVAILABLE", "etcd closed the stream", { sent: true });
}
