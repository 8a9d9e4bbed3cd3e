import { GROUP, VERSION } from "../../crds/constants.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Write } from "./admission.ts";
import type { Authorizer } from "./types.ts";

interface AdoptingVolume extends KubeObject {
  spec?: { adopt?: object; volumeGroupRef?: { name?: string } };
}

/**
 * A Volume that adopts takes over data that somebody else may have put there: beside making Volumes, it takes the verb
 * `adopt` on the VolumeGroup that it names, in the scope of the cluster (as Kubernetes does with `bind`, `escalate` and
 * `sign`). Answers with what is missing, or nothing.
 */
export async function adoptionRefusal(authorizer: Authorizer, write: Write): Promise<string | undefined> {
  const { resource, updated, old, user, subresource } = write;
  if (resource.plural !== "volumes" || subresource !== "" || !adopts(updated) || adopts(old)) return undefined;
  const volume: AdoptingVolume | undefined = updated;
  const name = volume?.spec?.volumeGroupRef?.name ?? "";
  const { allowed } = await authorizer.authorize({
    user,
    verb: "adopt",
    namespace: "",
    apiGroup: GROUP,
    apiVersion: VERSION,
    resource: "volumegroups",
    subresource: "",
    name,
    resourceRequest: true,
    path: "",
  });
  if (allowed) return undefined;
  return (
    `spec.adopt: user "${user.name}" may not take over logical volumes that exist in VolumeGroup "${name}": ` +
    `that takes the verb "adopt" on volumegroups.${GROUP} "${name}" at the cluster scope`
  );
}

const adopts = (volume: AdoptingVolume | undefined): boolean => volume?.spec?.adopt !== undefined;
