import type { GuestState } from "../../executors/vm/guest.ts";

/** All that the next act depends on. */
export interface Situation {
  readonly guest: "absent" | GuestState;
  /** Whom the record names that may run it: this host, nobody, another. */
  readonly run: "mine" | "free" | "other";
  /** It should run, wherever that is. */
  readonly wanted: boolean;
  /** The scheduler chose this host. */
  readonly chosen: boolean;
  /** A disk that it writes to was taken over by another host: what it wrote since will never be acknowledged. */
  readonly overruled: boolean;
}

/**
 * `claim`, `release`: change the record. `start`: make the guest, paused. `resume`: let it run. `shutDown`: ask it to end.
 * `destroy`: end it. `watch`: it runs as it should. `wait`: nothing to do, and not as it should be. `rest`: nothing to do.
 */
export type Act = "claim" | "release" | "start" | "resume" | "watch" | "shutDown" | "destroy" | "wait" | "rest";

/** Before these the record is read again where it is kept: what a cache says may be of yesterday. */
export const FATEFUL: ReadonlySet<Act> = new Set(["claim", "release", "start", "resume", "destroy"]);

/**
 * The next act for one guest on one host. Two rules hold it together: nothing starts or goes on without the record in
 * this host's name, and the record is given back only after the guest was seen to be gone.
 */
export function decide(situation: Situation): Act {
  if (situation.guest === "dying") return "wait"; // the kernel still holds its devices
  return situation.guest === "absent" ? withoutGuest(situation) : withGuest(situation, situation.guest);
}

function withoutGuest({ run, wanted, chosen, overruled }: Situation): Act {
  if (run === "other") return "rest";
  const here = wanted && chosen && !overruled;
  if (run === "free") return here ? "claim" : "rest";
  return here ? "start" : "release";
}

function withGuest({ run, wanted, chosen, overruled }: Situation, guest: Exclude<GuestState, "dying">): Act {
  if (run === "other" || overruled) return "destroy";
  // Adopted, or its record was lost: kept if nobody else gets the record first.
  if (run === "free") return wanted && chosen ? "claim" : "destroy";
  if (!wanted) return guest === "running" || guest === "unknown" ? "shutDown" : "destroy";
  return WANTED[guest];
}

/** What becomes of a guest that should run here, by its state. */
const WANTED: Readonly<Record<Exclude<GuestState, "dying">, Act>> = {
  prepared: "resume",
  ioError: "resume",
  running: "watch",
  paused: "wait",
  unknown: "wait",
  crashed: "destroy",
  shuttingDown: "destroy",
};
