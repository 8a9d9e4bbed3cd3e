import type { Executor } from "../executors/command/types.ts";
import { TerminalError } from "../machinery/errors.ts";
import type { PairMemory, Seen } from "../reconcilers/host-pair/arbiter.ts";

/**
 * What this host has seen of each pair's record, in one file on its own disk. A file that cannot be read stops the
 * agent: an empty memory would trust a store that was rolled back.
 */
export async function loadPairMemory(path: string, exec: Executor, signal: AbortSignal): Promise<PairMemory> {
  const seen = new Map(Object.entries(parse(path, await exec.read(path, signal))));
  let writing: Promise<void> = Promise.resolve();
  return {
    recall: (pair) => seen.get(pair),
    async remember(pair, next) {
      const known = seen.get(pair);
      if (known?.incarnation === next.incarnation && known.epoch >= next.epoch) return;
      seen.set(pair, next);
      // One write after the other: a later memory is never overwritten by an earlier one.
      const write = async () => {
        const content = JSON.stringify(Object.fromEntries(seen));
        await exec.write({ kind: "write", path, content, mode: 0o600 }, signal);
      };
      writing = writing.then(write, write);
      await writing;
    },
  };
}

function parse(path: string, text: string | undefined): Record<string, Seen> {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, Seen>;
  } catch (cause) {
    throw new TerminalError(
      "MemoryUnreadable",
      `${path} is not JSON: restore it, or remove it if no pair was ever rolled back`,
      {
        cause,
      },
    );
  }
}
