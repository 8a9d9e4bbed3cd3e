import { CommandError } from "../executors/command/errors.ts";
import type { Executor } from "../executors/command/types.ts";
import { apply, type Plan } from "../executors/driver.ts";
import { inUseMessage, observeHolders, saysBusy } from "../executors/host/holders.ts";
import { type ConditionInput, setCondition } from "../machinery/conditions.ts";
import { OperatorError } from "../machinery/errors.ts";
import type { Condition } from "../machinery/object.ts";
import { done, type ReconcileContext, requeueAfter, type Result } from "../machinery/result.ts";
import type { ObjectAccess, Reconciled } from "./object-access.ts";

/** What a writer says of one condition in a pass; the generation is filled in. */
export type ConditionFact = Omit<ConditionInput, "observedGeneration">;

/** What one pass over one object came to. */
export interface Report<T extends Reconciled> {
  /** Own status fields without conditions; left out: as they are. */
  readonly fields?: Omit<NonNullable<T["status"]>, "conditions" | "observedGeneration">;
  /** All that the writer owns; the summary among them, always. */
  readonly conditions: readonly ConditionFact[];
  readonly next?: Result;
}

/** How soon a pass that is blocked by the world looks again, when no event will tell. */
export const BLOCKED_RETRY_MS = 5_000;

export const ready = (status: ConditionFact["status"], reason: string, message: string): ConditionFact => ({
  type: "Ready",
  status,
  reason,
  message,
});

/** Not Ready for a reason that lies in the world and may pass: looked at again by itself. */
export function waiting<T extends Reconciled>(
  reason: string,
  message: string,
  fields?: Report<T>["fields"],
): Report<T> {
  return {
    conditions: [ready("False", reason, message)],
    next: requeueAfter(BLOCKED_RETRY_MS, reason),
    ...(fields === undefined ? {} : { fields }),
  };
}

/**
 * Runs one pass and writes the status once, whatever came of it. An error of ours becomes `False` of the writer's
 * `summary` condition with its reason, and goes on to the loop, which knows when to try again.
 */
export async function runPass<T extends Reconciled>(
  context: ReconcileContext,
  access: ObjectAccess<T>,
  object: T,
  work: () => Promise<Report<T>>,
  summary: "Ready" | "Bound" | "Placed" | "Scheduled" = "Ready",
): Promise<Result> {
  let report: Report<T>;
  try {
    report = await work();
  } catch (error) {
    if (!(error instanceof OperatorError) || context.signal.aborted) throw error;
    const fact = { ...ready("False", error.reason, error.message), type: summary };
    const failed = { conditions: [fact], fields: withoutConditions(object) };
    await access.writeStatus(object, statusOf(object, failed, context.now()));
    throw error;
  }
  const fields = report.fields ?? withoutConditions(object);
  await access.writeStatus(object, statusOf(object, { ...report, fields }, context.now()));
  return report.next ?? done;
}

/** The last facts stay where a pass has no newer ones: nobody said that they are wrong. */
function withoutConditions<T extends Reconciled>(object: T): NonNullable<Report<T>["fields"]> {
  const { conditions: _, observedGeneration: __, ...fields } = object.status ?? {};
  return fields as NonNullable<Report<T>["fields"]>;
}

function statusOf<T extends Reconciled>(object: T, report: Report<T>, now: Date): NonNullable<T["status"]> {
  const observedGeneration = object.metadata.generation ?? 0;
  const own = new Set(report.conditions.map(({ type }) => type));
  const mine = (object.status?.conditions ?? []).filter(({ type }) => own.has(type));
  const conditions = report.conditions.reduce<readonly Readonly<Condition>[]>(
    (list, fact) => setCondition(list, { ...fact, observedGeneration }, now),
    mine,
  );
  // Only the owner of Ready says which generation was acted on.
  return {
    ...report.fields,
    ...(own.size === 0 ? {} : { conditions }),
    ...(own.has("Ready") ? { observedGeneration } : {}),
  };
}

/**
 * Applies a plan and tells people each step. Returns whether anything was changed: then the world has to be observed
 * again before anything is called Ready.
 */
export async function applyPlan<T extends Reconciled>(
  plan: Plan,
  parts: {
    readonly access: ObjectAccess<T>;
    readonly object: T;
    readonly exec: Executor;
    readonly context: ReconcileContext;
    /** What the plan is about: when a tool finds it in use, who has it open is told instead of the tool's words. */
    readonly device?: string | undefined;
  },
): Promise<"changed" | "nothing to do" | BlockedPlan> {
  if (plan.kind === "blocked") return plan;
  if (plan.steps.length === 0) return "nothing to do";
  const { access, object, exec, context, device } = parts;
  for (const step of plan.steps) {
    context.log.info({ step: step.why }, "applying");
    try {
      await apply({ kind: "steps", steps: [step] }, exec, context.signal);
    } catch (error) {
      if (device !== undefined && saysBusy(error)) return deviceInUse(device, exec, context.signal);
      if (error instanceof CommandError)
        access.event(object, "Warning", error.reason, `could not ${step.why}: ${error.message}`);
      throw error;
    }
    access.event(object, "Normal", "Changed", step.why);
  }
  return "changed";
}

export type BlockedPlan = Extract<Plan, { kind: "blocked" }>;

/** That a device is in use, and by whom, as far as that can be seen. */
export async function deviceInUse(device: string, exec: Executor, signal: AbortSignal): Promise<BlockedPlan> {
  const message = inUseMessage(device, await observeHolders(device, exec, signal));
  return { kind: "blocked", reason: "DeviceInUse", message };
}

/** Steps that follow on each other are taken in one pass, each after a new look at the world. */
const MAX_ROUNDS = 10;

/** What `converge` came to: the last look at the world, and whether it is as wanted. */
export type Converged<Observed> =
  | { readonly kind: "settled"; readonly observed: Observed }
  | { readonly kind: "blocked"; readonly observed: Observed; readonly blocked: BlockedPlan }
  | { readonly kind: "unsettled"; readonly observed: Observed };

/** Observes, plans and applies until nothing is left to do, something blocks, or the rounds are used up. */
export async function converge<T extends Reconciled, Observed>(
  parts: Parameters<typeof applyPlan<T>>[1],
  observe: () => Promise<Observed>,
  plan: (observed: Observed) => Plan,
): Promise<Converged<Observed>> {
  for (let round = 1; ; round++) {
    const observed = await observe();
    const outcome = await applyPlan(plan(observed), parts);
    if (outcome === "nothing to do") return { kind: "settled", observed };
    if (outcome !== "changed") return { kind: "blocked", observed, blocked: await named(outcome, parts) };
    if (round === MAX_ROUNDS) return { kind: "unsettled", observed };
  }
}

/** A plan knows only that a device is open: who has it is looked up once it is needed. */
async function named<T extends Reconciled>(
  blocked: BlockedPlan,
  { device, exec, context }: Parameters<typeof applyPlan<T>>[1],
): Promise<BlockedPlan> {
  if (blocked.reason !== "DeviceInUse" || device === undefined) return blocked;
  return deviceInUse(device, exec, context.signal);
}

/** The world changes faster than a pass follows: not an error, looked at again at once. */
export function unsettled<T extends Reconciled>(fields?: Report<T>["fields"]): Report<T> {
  return { ...waiting<T>("Progressing", "is being brought to what is asked", fields), next: requeueAfter(0, "go on") };
}
