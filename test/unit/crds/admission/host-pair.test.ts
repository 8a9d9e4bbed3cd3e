import { describe, expect, it, test } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import { agent, deleting, lister, object, updating } from "./world.ts";

const mirror = object("Mirror", "m1", { size: "1Gi" });
const record = (members: readonly string[]) => ({
  namespace: "default",
  name: "m1",
  uid: mirror.metadata.uid,
  members,
  primary: "alpha",
});
const pair = object(
  "HostPair",
  "alpha.beta",
  { hosts: ["alpha", "beta"] },
  {
    status: { epoch: 7, incarnation: "i", mirrors: [record(["alpha", "beta"])], decision: { by: "alpha", nonce: "n" } },
  },
);
const shrink = { epoch: 8, mirrors: [record(["alpha"])], decision: { by: "alpha", nonce: "o" } };

it("lets a host decide in its own name", () => {
  expect(admit(updating(pair, { status: shrink }, { user: agent("alpha") }), lister(mirror, pair))).toEqual([]);
});

test.each([
  { name: "a patch", request: { user: agent("alpha"), verb: "patch" as const }, field: "status" },
  { name: "an apply", request: { user: agent("alpha"), verb: "apply" as const }, field: "status" },
  { name: "another host's name", request: { user: agent("beta") }, field: "status.decision.by" },
  { name: "a person", request: {}, field: "status" },
])("refuses $name", ({ request, field }) => {
  const errors = admit(updating(pair, { status: shrink }, request), lister(mirror, pair));
  expect(errors.map((error) => error.field)).toEqual([field]);
});

it("refuses a host outside the pair", () => {
  expect(admit(updating(pair, { status: shrink }, { user: agent("gamma") }), lister(mirror, pair))).not.toEqual([]);
});

describe("the record of a mirror", () => {
  const forget = updating(
    pair,
    { status: { epoch: 8, mirrors: [], decision: { by: "alpha" } } },
    { user: agent("alpha") },
  );

  it("stays as long as the Mirror is there", () => {
    expect(admit(forget, lister(mirror, pair)).map(({ field }) => field)).toEqual(["status.mirrors"]);
  });

  it("goes when the Mirror is being deleted or gone", () => {
    const dying = { ...mirror, metadata: { ...mirror.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect(admit(forget, lister(dying, pair))).toEqual([]);
    expect(admit(forget, lister(pair))).toEqual([]);
  });

  it("keeps its HostPair from being deleted", () => {
    expect(admit(deleting(pair), lister(mirror, pair))).toHaveLength(1);
    expect(admit(deleting(pair), lister(pair))).toEqual([]);
  });
});
