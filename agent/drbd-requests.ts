import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { DrbdMailbox, DrbdRequest } from "./drbd-mailbox.ts";

/** The exit code for the helper; `undefined`: no answer, DRBD goes on waiting and the request is seen again. */
export type AnswerDrbd = (request: DrbdRequest, signal: AbortSignal) => Promise<number | undefined>;

/** Events whose helper waits; the others are gone already and only tell. */
const WAITING = new Set(["fence-peer", "before-resync-target"]);
const SCAN_MS = 200;
/** A decision against us does not change by itself; it is looked at again, for a person may change it. */
const ASK_AGAIN_MS = 2000;

/**
 * Hands each request to `answer`, once at a time, and leaves its answer for the helper. Requests of before a restart are
 * found again, for the helper still waits. A scan each 200 ms: a frozen device must not hang on a lost notification.
 */
export async function serveDrbdRequests(
  answer: AnswerDrbd,
  parts: { readonly clock: Clock; readonly log: Logger; readonly mailbox: DrbdMailbox },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, mailbox } = parts;
  const running = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    for (const id of await listOrNone(mailbox, log)) {
      if (running.has(id)) continue;
      running.set(
        id,
        serveOne(id, answer, parts, signal).finally(() => running.delete(id)),
      );
    }
    await sleep(clock, SCAN_MS, signal).catch(() => undefined); // only the signal rejects
  }
  await Promise.allSettled(running.values());
}

/** A directory that cannot be read now is read again: DRBD waits, and must not wait for a dead loop. */
async function listOrNone(mailbox: DrbdMailbox, log: Logger): Promise<readonly string[]> {
  try {
    return await mailbox.list();
  } catch (err) {
    log.error({ err }, "could not look for requests of DRBD");
    return [];
  }
}

async function serveOne(
  id: string,
  answer: AnswerDrbd,
  { clock, log, mailbox }: { readonly clock: Clock; readonly log: Logger; readonly mailbox: DrbdMailbox },
  signal: AbortSignal,
): Promise<void> {
  try {
    const request = await mailbox.read(id);
    if (request === undefined) return;
    const { event, subject } = request;
    const code = await answer(request, signal);
    log.info({ event, subject, code }, "answered DRBD");
    if (!WAITING.has(event)) return await mailbox.remove(id);
    if (code === undefined) return await sleep(clock, ASK_AGAIN_MS, signal);
    await mailbox.answer(id, code);
  } catch (err) {
    if (!signal.aborted) log.error({ err, id }, "could not serve a request of DRBD");
  }
}
