import type { MirrorReplica, ReplicaVerify } from "../../crds/generated/mirror-replica.ts";
import * as commands from "../../executors/drbd/commands.ts";
import type { ObservedReplica } from "../../executors/drbd/observe.ts";
import type { Step } from "../../executors/driver.ts";
import { formatTime } from "../../machinery/clock.ts";
import { connected } from "./membership.ts";

/** What is known of a comparison now, and what it takes to go on. */
export interface VerifyPass {
  readonly state: ReplicaVerify | undefined;
  /** Carried out, they make `begun` the state. */
  readonly steps: readonly Step[];
  readonly begun?: ReplicaVerify;
}

/**
 * Comparisons that this process has begun and followed. Of a comparison from before a restart nobody knows whether it came to
 * its end: DRBD keeps no trace of it. It begins again.
 */
export class Verifications {
  readonly #followed = new Map<string, ReplicaVerify>();

  /** `name`: the DRBD resource. Never during a resync, and only while both copies are whole. */
  look(name: string, replica: MirrorReplica, observed: ObservedReplica, now: Date): VerifyPass {
    const last = this.#followed.get(name) ?? replica.status?.verify;
    const state = last?.state === "Running" ? this.#outcome(name, last, observed, now) : last;
    const order = replica.spec.verify?.order;
    const open = order !== undefined && (state?.order !== order || state.state === "Interrupted");
    if (!open || !mayVerify(observed)) return { state, steps: [] };
    return {
      state,
      steps: [{ why: `compare the two copies of ${name}`, effect: commands.verify(name) }],
      begun: { order, state: "Running", startTime: formatTime(now) },
    };
  }

  follow(name: string, begun: ReplicaVerify): void {
    this.#followed.set(name, begun);
  }

  #outcome(name: string, running: ReplicaVerify, observed: ObservedReplica, now: Date): ReplicaVerify {
    if (isVerifying(observed)) return running;
    const { order, startTime } = running;
    const began = { order, ...(startTime === undefined ? {} : { startTime }) };
    const ended = this.#followed.has(name) && isWhole(observed);
    const outcome: ReplicaVerify = ended
      ? {
          ...began,
          state: "Finished",
          finishTime: formatTime(now),
          outOfSyncBytes: observed.kernel?.connection?.outOfSyncBytes ?? 0,
        }
      : { ...began, state: "Interrupted" };
    this.#followed.set(name, outcome);
    return outcome;
  }
}

export const isVerifying = ({ kernel }: ObservedReplica): boolean =>
  kernel?.connection?.replication.startsWith("Verify") === true;

const isWhole = (observed: ObservedReplica): boolean => {
  const { kernel } = observed;
  return (
    connected(observed) &&
    kernel?.connection?.replication === "Established" &&
    kernel.device?.diskState === "UpToDate" &&
    kernel.connection.peerDiskState === "UpToDate"
  );
};

const mayVerify = (observed: ObservedReplica): boolean =>
  isWhole(observed) && observed.kernel?.connection?.outOfSyncBytes === 0 && observed.kernel.suspended.length === 0;
