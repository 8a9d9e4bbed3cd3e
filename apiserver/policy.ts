import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { POLICY_KINDS, PolicyIndex, type PolicyKind } from "./access/rbac/policy-index.ts";
import type { Caches } from "./caches.ts";
import type { Resource } from "./registry/types.ts";
import { followStorage } from "./storage-follower.ts";

/** Roles and bindings in memory, kept equal to the store until `signal` aborts. */
export async function followPolicy(
  options: { caches: Caches; resources: readonly Resource[]; clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<{ readonly index: PolicyIndex; readonly done: Promise<unknown> }> {
  const index = new PolicyIndex();
  const followers = await Promise.all(POLICY_KINDS.map((kind) => followKind(options, kind, index, signal)));
  return { index, done: Promise.all(followers.map(({ done }) => done)) };
}

function followKind(
  { caches, resources, clock, log }: { caches: Caches; resources: readonly Resource[]; clock: Clock; log: Logger },
  kind: PolicyKind,
  index: PolicyIndex,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const resource = resources.find((each) => each.group === "rbac.authorization.k8s.io" && each.kind === kind);
  if (resource === undefined) throw new Error(`kind ${kind} is not registered`);
  return followStorage(
    {
      caches,
      clock,
      log,
      storagePrefix: resource.storagePrefix,
      onList: (items) =>
        index.replace(
          kind,
          items.map(({ object }) => object),
        ),
      onEvent: ({ type, stored }) =>
        type === "put" ? index.put(kind, stored.object) : index.remove(kind, stored.object),
    },
    signal,
  );
}
