import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";

/** Where the kernel's helper leaves its requests (`manifests/install/drbd-helper`). */
export const DRBD_REQUESTS = "/run/ferrite/drbd";

export interface DrbdRequest {
  /** `fence-peer`, `before-resync-target`, `local-io-error`, … */
  readonly event: string;
  /** Resource name, or `minor-<n>`. */
  readonly subject: string;
}

/** The exit code for the helper; `undefined`: no answer, DRBD goes on waiting and the request is seen again. */
export type AnswerDrbd = (request: DrbdRequest, signal: AbortSignal) => Promise<number | undefined>;

/** Events whose helper waits; the others are gone already and only tell. */
const WAITING = new Set(["fence-peer", "before-resync-target"]);
const SCAN_MS = 200;
/** A decision against us does not change by itself; it is looked at again, for a person may change it. */
const ASK_AGAIN_MS = 2000;

/**
 * Hands each request to `answer`, once at a time, and leaves its answer for the helper. Requests of before a restart are
 * found again, for the helper still waits. A directory scan each 200 ms: a frozen device must not hang on a lost inotify event.
 */
export async function serveDrbdRequests(
  answer: AnswerDrbd,
  parts: { readonly clock: Clock; readonly log: Logger; readonly directory?: string },
  signal: AbortSignal,
): Promise<void> {
  const { clock, directory = DRBD_REQUESTS } = parts;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const running = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    for (const name of await readdir(directory)) {
      if (!name.endsWith(".request") || running.has(name)) continue;
      const serving = serveOne(join(directory, name), answer, parts, signal).finally(() => running.delete(name));
      running.set(name, serving);
    }
    await sleep(clock, SCAN_MS, signal).catch(() => undefined); // only the signal rejects
  }
  await Promise.allSettled(running.values());
}

async function serveOne(
  path: string,
  answer: AnswerDrbd,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  try {
    const [event = "", subject = ""] = (await readFile(path, "utf8")).split("\n");
    const reply = path.replace(/\.request$/, ".answer");
    if ((await readFile(reply, "utf8").catch(() => "")) !== "") return; // the helper has not picked it up yet
    const code = await answer({ event, subject }, signal);
    log.info({ event, subject, code }, "answered DRBD");
    if (!WAITING.has(event)) return await rm(path, { force: true });
    if (code === undefined) return await sleep(clock, ASK_AGAIN_MS, signal);
    await writeFile(`${reply}.new`, `${code}\n`);
    await rename(`${reply}.new`, reply);
  } catch (err) {
    if (!signal.aborted) log.error({ err, path }, "could not serve a request of DRBD");
  }
}
