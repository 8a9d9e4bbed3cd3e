import { type Clock, formatTime } from "../../../machinery/clock.ts";
import type { KubeObject, OwnerReference } from "../../../machinery/object.ts";
import { apiVersionOf } from "../../objects/present.ts";
import { builtin, type Cluster } from "../cluster.ts";
import type { Node } from "./graph.ts";

const COMPONENT = "garbage-collector-controller";

/**
 * Tells people, by an Event on the dependent, that an owner cannot be where the reference says. The name of the Event
 * follows from both uids: however many passes and servers see it, there is one of it at a time.
 */
export async function reportInvalidOwner(
  cluster: Cluster,
  clock: Clock,
  dependent: Node,
  owner: OwnerReference,
): Promise<void> {
  await cluster.create(builtin(cluster, "", "Event"), invalidOwnerEvent(dependent, owner, formatTime(clock.now())));
}

function invalidOwnerEvent(dependent: Node, owner: OwnerReference, now: string): KubeObject {
  const { resource, namespace, name, uid } = dependent;
  const place = `${owner.apiVersion}/${owner.kind}, namespace: ${namespace}, name: ${owner.name}, uid: ${owner.uid}`;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${uid.slice(0, 8)}${owner.uid.slice(0, 8)}`, namespace: namespace || "default" },
    involvedObject: {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      name,
      uid,
      ...(namespace === "" ? {} : { namespace }),
    },
    type: "Warning",
    reason: "OwnerRefInvalidNamespace",
    message: `ownerRef [${place}] does not exist in namespace "${namespace}"`,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}
