import { Cron } from "croner";
import type { Mirror, MirrorVerify } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { formatTime } from "../../machinery/clock.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import type { ConditionFact } from "../pass.ts";

export interface VerifyPlan {
  readonly verify: MirrorVerify | undefined;
  /** When the schedule asks for the next one; `undefined`: never, or one is under way. */
  readonly nextMs: number | undefined;
  readonly conditions: readonly ConditionFact[];
}

/**
 * The comparison that is under way, or was the last one; and a new one when a person or the schedule asks for it and none is under
 * way. A time that passed while one ran, or while the controllers were away, is made up for once.
 */
export function planVerify(mirror: Mirror, replicas: readonly MirrorReplica[], now: Date): VerifyPlan {
  const { verifyRequest, verifySchedule } = mirror.spec;
  const last = asReported(mirror.status?.verify, replicas);
  if (verifyRequest !== undefined && verifyRequest !== last?.request) return ordered(now, verifyRequest);
  const open = last !== undefined && last.state !== "Finished";
  if (verifySchedule === undefined || open) return { verify: last, nextMs: undefined, conditions: condition(last) };
  const from = new Date(last?.orderedTime ?? mirror.metadata.creationTimestamp ?? now);
  const next = nextRun(verifySchedule, from);
  if (next instanceof Date && next <= now) return ordered(now, last?.request);
  if (next instanceof Date)
    return { verify: last, nextMs: next.getTime() - now.getTime(), conditions: condition(last) };
  const message = `spec.verifySchedule: ${next}; give five cron fields, such as "0 3 * * 0"`;
  const fact: ConditionFact = { type: "Verified", status: "False", reason: "ScheduleInvalid", message };
  return { verify: last, nextMs: undefined, conditions: [fact] };
}

/** The first time after `from` that the schedule names, or what is wrong with it. */
function nextRun(schedule: string, from: Date): Date | string {
  try {
    return new Cron(schedule, { timezone: "UTC", mode: "5-part" }).nextRun(from) ?? "it names no time to come";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function ordered(now: Date, request: string | undefined): VerifyPlan {
  const time = formatTime(now);
  const verify: MirrorVerify = {
    order: time,
    orderedTime: time,
    state: "Ordered",
    ...(request === undefined ? {} : { request }),
  };
  return { verify, nextMs: undefined, conditions: condition(verify) };
}

/** With what the side that carried it out says of it. */
function asReported(last: MirrorVerify | undefined, replicas: readonly MirrorReplica[]): MirrorVerify | undefined {
  if (last === undefined || last.state === "Finished") return last;
  const said = replicas.flatMap(({ status }) => (status?.verify?.order === last.order ? [status.verify] : []));
  const report =
    said.find(({ state }) => state === "Finished") ?? said.find(({ state }) => state === "Running") ?? said[0];
  return report === undefined ? last : { ...last, ...report };
}

function condition(last: MirrorVerify | undefined): readonly ConditionFact[] {
  if (last === undefined) return [];
  const { state, outOfSyncBytes = 0, finishTime, order } = last;
  const fact = (status: ConditionFact["status"], reason: string, message: string): ConditionFact[] => [
    { type: "Verified", status, reason, message },
  ];
  if (state === "Finished" && outOfSyncBytes === 0)
    return fact("True", "NoDifferences", `compared until ${finishTime}: both copies are the same`);
  if (state === "Finished")
    return fact(
      "False",
      "CopiesDiffer",
      `compared until ${finishTime}: ${formatBytes(outOfSyncBytes)} differed, and were taken anew from the primary; ` +
        "look for failing disks or memory",
    );
  if (state === "Running") return fact("Unknown", "Running", `the comparison of ${order} runs`);
  return fact("Unknown", state, `the comparison of ${order} begins once both copies are up to date and connected`);
}
