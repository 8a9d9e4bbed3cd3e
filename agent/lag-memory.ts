import type { Executor } from "../executors/command/types.ts";
import { TerminalError } from "../machinery/errors.ts";
import type { LagMemory } from "../reconcilers/mirror-replica/lag.ts";

/**
 * Which mirrors' copies on this host may lack an acknowledged write, on the host's own disk. The kernel's helper adds
 * to it by tombstones, files named after the minor. A memory that cannot be read stops the agent.
 */
export async function loadLagMemory(stateDir: string, exec: Executor, signal: AbortSignal): Promise<LagMemory> {
  const path = `${stateDir}/lagging.json`;
  const tombstone = (minor: number) => `${stateDir}/tombstones/minor-${minor}`;
  const lagging = new Set(parse(path, await exec.read(path, signal)));
  const save = () => exec.write({ kind: "write", path, content: JSON.stringify([...lagging]), mode: 0o600 }, signal);
  return {
    async lags(uid, minor) {
      return lagging.has(uid) || (await exec.read(tombstone(minor), signal)) !== undefined;
    },
    async mark(uid) {
      if (lagging.has(uid)) return;
      lagging.add(uid);
      await save();
    },
    diskFailed: async (minor) => (await exec.read(tombstone(minor), signal)) !== undefined,
    async clear(uid) {
      if (lagging.delete(uid)) await save();
    },
    async bury(minor) {
      await exec.run({ kind: "run", argv: ["rm", "-f", tombstone(minor)], mutates: true }, signal);
    },
  };
}

function parse(path: string, text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed) && parsed.every((uid) => typeof uid === "string")) return parsed;
  } catch {
    // said below, like every other content that is no list of names
  }
  throw new TerminalError(
    "MemoryUnreadable",
    `${path} is not a JSON list of uids: restore it from a backup, or write [] if no disk of this host ever failed`,
  );
}
