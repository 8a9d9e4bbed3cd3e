import { HOST_USER_PREFIX } from "../constants.ts";
import { type HostPair, HOST_PAIRS } from "../generated/host-pair.ts";
import { MIRRORS } from "../generated/mirror.ts";
import { type AdmissionRule, type FieldError, forbidden, objectAs, oldAs } from "./types.ts";

/**
 * The record of who may go on alone: written by the two hosts only, each in its own name, and only by PUT with a
 * resourceVersion, so that every write is a compare-and-set. (That epochs grow by one and members are never empty is in
 * the schema.)
 */
export const hostPairStatus: AdmissionRule = {
  name: "host-pair-status",
  kinds: [HOST_PAIRS],
  reads: [MIRRORS],
  check(request, lister): readonly FieldError[] {
    const pair = objectAs(request, HOST_PAIRS);
    const old = oldAs(request, HOST_PAIRS);
    if (request.operation !== "UPDATE" || request.subresource !== "status" || pair === undefined) return [];
    const way: FieldError[] =
      request.verb === "update"
        ? []
        : [forbidden("status", `a HostPair's status is written by PUT with a resourceVersion, not by ${request.verb}`)];
    const living = new Set(
      lister.list(MIRRORS).flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [metadata.uid] : [])),
    );
    return [...way, ...writerErrors(request.user.name, pair), ...removedMirrors(pair, old, living)];
  },
};

function writerErrors(user: string, pair: HostPair): readonly FieldError[] {
  const host = user.startsWith(HOST_USER_PREFIX) ? user.slice(HOST_USER_PREFIX.length) : undefined;
  if (host === undefined || !pair.spec.hosts.includes(host))
    return [forbidden("status", `only the agents of ${pair.spec.hosts.join(" and ")} write it, not ${user}`)];
  const by = pair.status?.decision.by;
  if (by === host) return [];
  return [forbidden("status.decision.by", `${user} decides in its own name, not in that of ${by ?? "nobody"}`)];
}

/** Taking a mirror off the record and putting it back would be a way round the rule on who becomes a member. */
function removedMirrors(
  pair: HostPair,
  old: HostPair | undefined,
  living: ReadonlySet<string | undefined>,
): readonly FieldError[] {
  const kept = new Set(pair.status?.mirrors.map(({ uid }) => uid));
  const removed = (old?.status?.mirrors ?? []).filter(({ uid }) => !kept.has(uid) && living.has(uid));
  return removed.map(({ namespace, name }) =>
    forbidden("status.mirrors", `Mirror ${namespace}/${name} is in use: its record stays until the Mirror is deleted`),
  );
}

/** The record goes when nothing relies on it any more. */
export const hostPairDeletion: AdmissionRule = {
  name: "host-pair-deletion",
  kinds: [HOST_PAIRS],
  reads: [MIRRORS],
  check(request, lister) {
    const pair = oldAs(request, HOST_PAIRS);
    if (request.operation !== "DELETE" || pair === undefined) return [];
    const recorded = new Set(pair.status?.mirrors.map(({ uid }) => uid));
    const relying = lister
      .list(MIRRORS)
      .filter(({ metadata }) => metadata.uid !== undefined && recorded.has(metadata.uid));
    return relying.map(({ metadata }) =>
      forbidden("", `Mirror ${metadata.namespace}/${metadata.name} relies on this record; delete the Mirror first`),
    );
  },
};
