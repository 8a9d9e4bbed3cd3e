import { VIRTUAL_MACHINES } from "../generated/virtual-machine.ts";
import { hostOfUser } from "./host-rule.ts";
import { type AdmissionRule, type FieldError, forbidden, objectAs, oldAs } from "./types.ts";

/**
 * The record of which host may run a guest. An agent takes it for its own host when nobody has it, gives it back, or hands
 * it over: never takes it from another host. Applying it is refused, for an apply is no compare-and-set. (That epochs grow
 * by one is in the schema.)
 */
export const runRecord: AdmissionRule = {
  name: "run-record",
  kinds: [VIRTUAL_MACHINES],
  reads: [],
  check(request): readonly FieldError[] {
    if (request.operation !== "UPDATE" || request.subresource !== "status") return [];
    const before = oldAs(request, VIRTUAL_MACHINES)?.status?.run;
    const after = objectAs(request, VIRTUAL_MACHINES)?.status?.run;
    if (before?.epoch === after?.epoch) return [];
    if (request.verb === "apply")
      return [
        forbidden("status.run", "it is changed by PUT with a resourceVersion or by a patch that tests its epoch"),
      ];
    const host = hostOfUser(request.user);
    if (host === undefined || before?.hostName === host) return [];
    if (before?.hostName !== undefined)
      return [
        forbidden("status.run", `host ${before.hostName} has it, and the agent of ${host} does not take it away`),
      ];
    return after?.hostName === host ? [] : [forbidden("status.run", `the agent of ${host} takes it for ${host} only`)];
  },
};
