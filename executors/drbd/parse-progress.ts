/** How far a resync or a verify is. */
export interface Progress {
  readonly percent: number;
  /** Seconds until it ends at the present speed; `undefined`: DRBD does not know yet, or it stalled. */
  readonly remainingSeconds: number | undefined;
}

/**
 * Progress of each minor that resyncs, from `/proc/drbd` of DRBD 8.4:
 *
 *      0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
 *         ns:… oos:…
 *         [=====>..............] sync'ed: 31.3% (90112/131004)K
 *         finish: 0:00:05 speed: 16,384 (16,384) K/sec
 */
export function parseProgress(procDrbd: string): ReadonlyMap<number, Progress> {
  const progress = new Map<number, Progress>();
  let minor: number | undefined;
  let percent: number | undefined;
  for (const line of procDrbd.split("\n")) {
    const device = /^\s*(\d+): cs:/.exec(line);
    if (device) minor = Number(device[1]);
    percent = numberIn(/(?:sync'ed|verified):\s*([\d.]+)%/, line) ?? (device ? undefined : percent);
    const finish = /finish:\s*(\d+):(\d{2}):(\d{2})/.exec(line);
    if (minor !== undefined && percent !== undefined)
      progress.set(minor, {
        percent,
        remainingSeconds: finish
          ? Number(finish[1]) * 3600 + Number(finish[2]) * 60 + Number(finish[3])
          : progress.get(minor)?.remainingSeconds,
      });
  }
  return progress;
}

const numberIn = (pattern: RegExp, line: string): number | undefined => {
  const text = pattern.exec(line)?.[1];
  return text === undefined ? undefined : Number(text);
};
