import type { Host } from "../../crds/generated/host.ts";
import { type ConditionInput, findCondition, setCondition } from "../../machinery/conditions.ts";
import type { EventRecorder } from "../../machinery/event-recorder.ts";
import type { Condition, DeepReadonly } from "../../machinery/object.ts";
import { done, type Reconcile, requeueAfter, type Result } from "../../machinery/result.ts";
import { type Heartbeat, judgeHeartbeat, type Sight, type Verdict } from "./judge-heartbeat.ts";

type CachedHost = DeepReadonly<Host>;

export interface HostDependencies {
  readonly host: (name: string) => CachedHost | undefined;
  readonly monotonicMs: () => number;
  readonly heartbeat: (hostName: string) => Heartbeat | undefined;
  readonly sight: () => Sight;
  /** Reads the Lease itself, by quorum, and takes what it says into `heartbeat`. */
  readonly lookAgain: (hostName: string, signal: AbortSignal) => Promise<void>;
  /** Writes own status fields when they differ. */
  readonly writeStatus: (host: CachedHost, status: OwnHostStatus, signal: AbortSignal) => Promise<unknown>;
  readonly events: EventRecorder;
}

/** What this reconciler owns of `Host.status`. */
export type OwnHostStatus = Readonly<{ observedGeneration: number; conditions: readonly Condition[] }>;

/** Writes `Ready` of a Host from its agent's heartbeat and from what the agent says of the machine's tools. */
export function reconcileHost(dependencies: HostDependencies): Reconcile {
  return async ({ log, signal, now }, { name }) => {
    const host = dependencies.host(name);
    if (host === undefined) return done;
    const verdict = await judge(dependencies, name, signal);
    const ready = readyCondition(host, dependencies.heartbeat(name), verdict);
    if (ready === undefined) return next(verdict);
    const conditions = setCondition(host.status?.conditions, ready, now()).filter(({ type }) => type === "Ready");
    const flipped = findCondition(host.status?.conditions, "Ready")?.status !== ready.status;
    await dependencies.writeStatus(host, { observedGeneration: ready.observedGeneration, conditions }, signal);
    if (flipped) {
      log.info({ ready: ready.status, reason: ready.reason }, "readiness of a host changed");
      const type = ready.status === "True" ? "Normal" : "Warning";
      dependencies.events.record(host, { type, reason: ready.reason, message: ready.message });
    }
    return next(verdict);
  };
}

/** A watch can stand still without an error: before anybody is called dead, the Lease itself is read. */
async function judge(dependencies: HostDependencies, name: string, signal: AbortSignal): Promise<Verdict> {
  const verdict = () => judgeHeartbeat(dependencies.monotonicMs(), dependencies.heartbeat(name), dependencies.sight());
  const first = verdict();
  if (first.kind !== "expired") return first;
  await dependencies.lookAgain(name, signal);
  return verdict();
}

function next(verdict: Verdict): Result {
  return "recheckMs" in verdict ? requeueAfter(verdict.recheckMs, "judge the heartbeat again") : done;
}

/** Undefined leaves what is written. */
function readyCondition(
  host: CachedHost,
  heartbeat: Heartbeat | undefined,
  verdict: Verdict,
): ConditionInput | undefined {
  const as = (status: Condition["status"], reason: string, message: string): ConditionInput => ({
    type: "Ready",
    status,
    reason,
    message,
    observedGeneration: host.metadata.generation ?? 0,
  });
  const { name } = host.metadata;
  switch (verdict.kind) {
    case "alive": {
      const tools = findCondition(host.status?.conditions, "ToolsPresent");
      if (tools?.status === "False") return as("False", tools.reason, tools.message);
      return as("True", "HeartbeatSeen", "the agent renews its Lease");
    }
    case "expired": {
      const last = heartbeat?.renewTime ? `since ${heartbeat.renewTime} by its own clock` : "for a full Lease";
      const what = `no heartbeat from the agent of ${name} ${last}`;
      return as("False", "HeartbeatLost", `${what}: see whether the machine runs and reaches the API`);
    }
    case "cannotSee":
      return as("Unknown", "CannotSee", `the controllers cannot watch the Leases: ${verdict.why}`);
    case "neverSeen":
      return as("Unknown", "NeverSeen", `no heartbeat from ${name} was ever seen: start ferrite agent there`);
    case "undetermined":
      if (findCondition(host.status?.conditions, "Ready") !== undefined) return undefined;
      return as("Unknown", "NotJudgedYet", "the heartbeat has not been watched for long enough");
    default:
      return verdict satisfies never;
  }
}
