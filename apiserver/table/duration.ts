const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;

const pair = (high: number, highUnit: string, low: number, lowUnit: string): string =>
  low === 0 ? `${high}${highUnit}` : `${high}${highUnit}${low}${lowUnit}`;

/**
 * How old something is, as kubectl prints it (apimachinery `duration.HumanDuration`): two to three significant digits,
 * `119s`, `5m`, `3d21h`, `2y1d`. Up to two seconds in the future read as `0s`, more as `<invalid>`.
 */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / SECOND_MS);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * MINUTE_S) return `${seconds}s`;
  const minutes = Math.floor(seconds / MINUTE_S);
  if (minutes < 10) return pair(minutes, "m", seconds % MINUTE_S, "s");
  if (minutes < 3 * 60) return `${minutes}m`;
  const hours = Math.floor(seconds / HOUR_S);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return pair(days, "d", hours % 24, "h");
  if (days < 2 * 365) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? pair(years, "y", days % 365, "d") : `${years}y`;
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** The age of an RFC 3339 time: `<unknown>` for the zero time, `<invalid>` for what is no time. */
export function humanAge(time: string, now: Date): string {
  if (time === "" || time === "0001-01-01T00:00:00Z") return "<unknown>";
  const ms = RFC3339.test(time) ? Date.parse(time) : Number.NaN;
  return Number.isNaN(ms) ? "<invalid>" : humanDuration(now.getTime() - ms);
}
