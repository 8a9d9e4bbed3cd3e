import { GROUP, VERSION } from "../../crds/constants.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { jsonEqual } from "../objects/equal.ts";
import type { Write } from "./admission.ts";
import type { Authorizer } from "./types.ts";

interface Adopting extends KubeObject {
  spec?: { adopt?: object; volumeGroupRef?: { name?: string }; placement?: { hostName?: string } };
}

/** What it takes to adopt: the verb `adopt` on this object; an empty name stands for all of the kind. */
interface Right {
  readonly resource: "volumegroups" | "hosts";
  readonly name: string;
  /** What is taken over, for people. */
  readonly what: string;
}

const RIGHTS: Readonly<Record<string, (spec: NonNullable<Adopting["spec"]>) => Right>> = {
  volumes({ volumeGroupRef: { name = "" } = {} }) {
    return { resource: "volumegroups", name, what: `logical volumes that exist in VolumeGroup "${name}"` };
  },
  virtualmachines({ placement: { hostName: name = "" } = {} }) {
    const where = name === "" ? "on any host (spec.placement.hostName is not set)" : `on Host "${name}"`;
    return { resource: "hosts", name, what: `guests that run ${where}` };
  },
};

/**
 * Adopting takes over what somebody else may have put there: beside making the object, it takes the verb `adopt` on the
 * VolumeGroup or Host where that lies, in the scope of the cluster (as Kubernetes does with `bind`, `escalate` and
 * `sign`). Judged when an object begins to adopt, or adopts something else. Answers with what is missing, or nothing.
 */
export async function adoptionRefusal(authorizer: Authorizer, write: Write): Promise<string | undefined> {
  const { resource, updated, old, user, subresource } = write;
  const wanted = subresource === "" ? adoption(resource.plural, updated) : undefined;
  if (wanted === undefined || jsonEqual(wanted, adoption(resource.plural, old))) return undefined;
  const { right } = wanted;
  const { allowed } = await authorizer.authorize({
    user,
    verb: "adopt",
    namespace: "",
    apiGroup: GROUP,
    apiVersion: VERSION,
    resource: right.resource,
    subresource: "",
    name: right.name,
    resourceRequest: true,
    path: "",
  });
  if (allowed) return undefined;
  const on = right.name === "" ? `all ${right.resource}.${GROUP}` : `${right.resource}.${GROUP} "${right.name}"`;
  return (
    `spec.adopt: user "${user.name}" may not take over ${right.what}: ` +
    `that takes the verb "adopt" on ${on} at the cluster scope`
  );
}

/** What an object adopts, and the right that it takes; `undefined`: it adopts nothing. */
function adoption(plural: string, object: Adopting | undefined): { adopt: object; right: Right } | undefined {
  const { spec } = object ?? {};
  const right = spec?.adopt === undefined ? undefined : RIGHTS[plural]?.(spec);
  return right === undefined || spec?.adopt === undefined ? undefined : { adopt: spec.adopt, right };
}
