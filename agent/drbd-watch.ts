import { parseEvent } from "../executors/drbd/parse-events.ts";
import type { Executor, Follow } from "../executors/command/types.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";

const RESTART_MS = 1000;

/** Calls `changed` with the name of each resource whose state changed; after a gap with `undefined`: any may have. */
export async function watchDrbd(
  changed: (resource: string | undefined) => void,
  parts: { readonly follow: Follow; readonly exec: Executor; readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { follow, clock, log } = parts;
  while (!signal.aborted) {
    try {
      for await (const line of follow(["drbdsetup", "events2"], signal)) {
        const change = about(line);
        if (change !== undefined) changed(change.resource);
      }
    } catch (err) {
      if (!signal.aborted) log.debug({ err }, "lost the events of DRBD");
    }
    changed(undefined);
    await sleep(clock, RESTART_MS, signal).catch(() => undefined); // only the signal rejects
  }
}

/** The resource that a line is about; a line that is not understood may be about any. */
function about(line: string): { readonly resource: string | undefined } | undefined {
  try {
    const event = parseEvent(line);
    // The progress of a resync comes many times a second; it is looked at in its own time.
    if (event === undefined || event.subject === "-" || "done" in event.facts) return undefined;
    return { resource: event.facts["name"] };
  } catch {
    return { resource: undefined };
  }
}

const HELPER_PARAMETER = "/sys/module/drbd/parameters/usermode_helper";

/**
 * Loads the module and makes our helper the one that the kernel calls: with any other, a lost peer freezes I/O for ever or
 * is answered without a decision. Throws when the kernel does not take it.
 */
export async function installHelper(helperPath: string, exec: Executor, signal: AbortSignal): Promise<void> {
  if ((await exec.read(HELPER_PARAMETER, signal)) === undefined)
    await exec.run({ kind: "run", argv: ["modprobe", "drbd", `usermode_helper=${helperPath}`], mutates: true }, signal);
  if ((await exec.read(HELPER_PARAMETER, signal))?.trim() === helperPath) return;
  await exec.run({ kind: "run", argv: ["tee", HELPER_PARAMETER], stdin: helperPath, mutates: true }, signal);
}
