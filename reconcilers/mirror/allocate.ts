import { API_VERSION } from "../../crds/constants.ts";
import type { Allocation } from "../../crds/generated/allocation.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import { TerminalError } from "../../machinery/errors.ts";
import type { ObjectMaker } from "../object-access.ts";

/** Ferrite's own ranges, away from what people use by hand. */
const RANGES = {
  "drbd-minor": { from: 1000, to: 65_535 },
  "drbd-port": { from: 7900, to: 8900 },
} as const;

export type AllocationKind = keyof typeof RANGES;

/**
 * A number that is the mirror's alone in the cluster: the one it has, or the lowest that nobody claimed. Creating the
 * object is the claim, so two controllers never get the same. After a crash the claim is found again by its owner.
 */
export async function allocateNumber(
  kind: AllocationKind,
  mirror: Mirror,
  allocations: ObjectMaker<Allocation>,
): Promise<number> {
  const { uid } = mirror.metadata;
  const claims = allocations.list().filter(({ metadata }) => metadata.name.startsWith(`${kind}-`));
  const number = ({ metadata }: Allocation) => Number(metadata.name.slice(kind.length + 1));
  const own = claims.find(({ spec }) => spec.owner.uid === uid);
  if (own !== undefined) return number(own);
  const taken = new Set(claims.map(number));
  const { from, to } = RANGES[kind];
  for (let candidate = from; candidate <= to; candidate++) {
    if (taken.has(candidate)) continue;
    if ((await allocations.create(claim(`${kind}-${candidate}`, mirror))) === "created") return candidate;
  }
  throw new TerminalError("NoNumberLeft", `all numbers from ${kind}-${from} to ${kind}-${to} are claimed`);
}

const claim = (name: string, { metadata }: Mirror) => ({
  apiVersion: API_VERSION,
  kind: "Allocation" as const,
  metadata: { name },
  spec: { owner: { kind: "Mirror", namespace: metadata.namespace, name: metadata.name, uid: metadata.uid ?? "" } },
});
