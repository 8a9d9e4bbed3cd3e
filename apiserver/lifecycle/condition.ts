import { type Clock, formatTime } from "../../machinery/clock.ts";

/** Conditions of built-in kinds: the form before metav1.Condition. */
export interface PlainCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** A new list with `next` in it; the time moves only when the status does. */
export function withConditions(
  old: readonly PlainCondition[] | undefined,
  next: readonly Omit<PlainCondition, "lastTransitionTime">[],
  clock: Clock,
): PlainCondition[] {
  const now = formatTime(clock.now());
  const set = next.map((condition) => {
    const before = old?.find((one) => one.type === condition.type);
    const time = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
    return { ...condition, lastTransitionTime: time };
  });
  const types = new Set(next.map((condition) => condition.type));
  return [...(old ?? []).filter((one) => !types.has(one.type)), ...set];
}
