import { describe, expect, it, test } from "vitest";
import { type Act, decide, FATEFUL, type Situation } from "../../../../reconcilers/virtual-machine/decide.ts";

const GUESTS = [
  "absent",
  "prepared",
  "running",
  "paused",
  "ioError",
  "shuttingDown",
  "crashed",
  "dying",
  "unknown",
] as const;
const RUNS = ["mine", "free", "other"] as const;
const BOOLEANS = [true, false] as const;

const SITUATIONS: readonly Situation[] = GUESTS.flatMap((guest) =>
  RUNS.flatMap((run) =>
    BOOLEANS.flatMap((wanted) =>
      BOOLEANS.flatMap((chosen) => BOOLEANS.map((overruled) => ({ guest, run, wanted, chosen, overruled }))),
    ),
  ),
);

/** guest, run, wanted, chosen -> act. */
const TABLE: readonly (readonly [Situation["guest"], Situation["run"], boolean, boolean, Act])[] = [
  ["absent", "free", true, true, "claim"],
  ["absent", "free", true, false, "rest"],
  ["absent", "free", false, true, "rest"],
  ["absent", "mine", true, true, "start"],
  ["absent", "mine", true, false, "release"],
  ["absent", "mine", false, true, "release"],
  ["absent", "other", true, true, "rest"],
  ["prepared", "mine", true, true, "resume"],
  ["running", "mine", true, true, "watch"],
  ["running", "mine", true, false, "watch"],
  ["running", "mine", false, true, "shutDown"],
  ["running", "free", true, true, "claim"],
  ["running", "free", false, true, "destroy"],
  ["paused", "mine", true, true, "wait"],
  ["ioError", "mine", true, true, "resume"],
  ["ioError", "mine", false, true, "destroy"],
  ["crashed", "mine", true, true, "destroy"],
  ["unknown", "mine", true, true, "wait"],
  ["unknown", "mine", false, true, "shutDown"],
  ["unknown", "other", true, true, "destroy"],
  ["dying", "mine", false, true, "wait"],
  ["dying", "other", true, false, "wait"],
];

test.each(TABLE)("%s guest, record %s, wanted %s, chosen %s: %s", (guest, run, wanted, chosen, act) => {
  expect(decide({ guest, run, wanted, chosen, overruled: false })).toBe(act);
});

describe("in every situation", () => {
  it("a guest is made or let run only with the record in this host's name, and because it is wanted", () => {
    const letRun = SITUATIONS.filter((each) => ["start", "resume", "watch"].includes(decide(each)));
    expect(letRun.filter(({ run, wanted }) => run !== "mine" || !wanted)).toEqual([]);
  });

  it("nothing runs on a disk that another host has taken over, nor is started on it", () => {
    const overruled = SITUATIONS.filter((each) => each.overruled);
    const lives = overruled.filter((each) => ["claim", "start", "resume", "watch"].includes(decide(each)));
    expect(lives).toEqual([]);
    expect(decide({ guest: "running", run: "mine", wanted: true, chosen: true, overruled: true })).toBe("destroy");
    expect(decide({ guest: "absent", run: "mine", wanted: true, chosen: true, overruled: true })).toBe("release");
  });

  it("the record is given back only when the guest was seen to be gone", () => {
    expect(SITUATIONS.filter((each) => decide(each) === "release" && each.guest !== "absent")).toEqual([]);
  });

  it("a guest that another host may run is ended at once", () => {
    const there = SITUATIONS.filter(({ guest, run }) => run === "other" && guest !== "absent" && guest !== "dying");
    expect(there.map(decide)).toEqual(there.map(() => "destroy"));
  });

  it("nothing is done to another host's record", () => {
    const others = SITUATIONS.filter(({ run }) => run === "other").map(decide);
    expect(others.filter((act) => act === "claim" || act === "release")).toEqual([]);
  });

  it("what cannot be taken back is decided on what the store says now", () => {
    for (const act of ["claim", "release", "start", "resume", "destroy"] as const) expect(FATEFUL.has(act)).toBe(true);
  });
});
