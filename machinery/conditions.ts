import { formatTime } from "./clock.ts";
import type { Condition } from "./object.ts";

/** What a writer says about one condition; the time is not its business. */
export interface ConditionInput {
  readonly type: string;
  readonly status: Condition["status"];
  /** CamelCase, for programs. */
  readonly reason: string;
  /** For people: while something is wrong it names the blocker, the host and the next step. */
  readonly message: string;
  /** `metadata.generation` of the object that was looked at. */
  readonly observedGeneration: number;
}

/**
 * A new list with `next` set, `Ready` first and the rest by type. `lastTransitionTime` moves only when the status flips,
 * so that writing the same condition twice yields an equal list.
 */
export function setCondition(
  list: readonly Readonly<Condition>[] | undefined,
  next: ConditionInput,
  now: Date,
): Condition[] {
  const old = findCondition(list, next.type);
  const lastTransitionTime = old?.status === next.status ? old.lastTransitionTime : formatTime(now);
  const { type, status, reason, message, observedGeneration } = next;
  const rest = (list ?? []).filter((condition) => condition.type !== type);
  return [...rest, { type, status, reason, message, observedGeneration, lastTransitionTime }].sort(readyFirst);
}

export function findCondition(
  list: readonly Readonly<Condition>[] | undefined,
  type: string,
): Readonly<Condition> | undefined {
  return list?.find((condition) => condition.type === type);
}

/** True only for status "True": "Unknown" and an absent condition are not. */
export function isConditionTrue(list: readonly Readonly<Condition>[] | undefined, type: string): boolean {
  return findCondition(list, type)?.status === "True";
}

/** Sort order of a condition list: the summary first, then by type. */
export function readyFirst(a: Pick<Condition, "type">, b: Pick<Condition, "type">): number {
  if (a.type === b.type) return 0;
  if (a.type === "Ready") return -1;
  if (b.type === "Ready") return 1;
  return a.type < b.type ? -1 : 1;
}
