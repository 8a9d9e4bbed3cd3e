import type { Etcd3 } from "etcd3";
import { decodeRevision } from "./wire.ts";
import { openWatchStream } from "./watch-stream.ts";

/**
 * The revision up to which history is gone. Only after etcd has called a revision compacted: no call tells it, but
 * etcd names it when it refuses a watch from the beginning.
 */
export async function readCompactRevision(client: Etcd3): Promise<number> {
  const stream = await openWatchStream(client.watchClient);
  try {
    stream.create({ key: Buffer.from("\0"), start_revision: 1 });
    for await (const response of stream.responses) {
      if (response.canceled) return decodeRevision(response.compact_revision);
    }
  } finally {
    stream.close();
  }
  throw new Error("14 UNAVAILABLE: etcd closed the stream");
}
