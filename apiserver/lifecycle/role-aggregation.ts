import type { KubeObject } from "../../machinery/object.ts";
import { aggregatedRules } from "../access/rbac/aggregation.ts";
import { RBAC_GROUP, type RoleObject } from "../builtin/kinds/rbac.ts";
import { jsonEqual } from "../objects/equal.ts";
import type { Resource } from "../registry/types.ts";
import { builtin, type Cluster, placeOf } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

const ALL = "all";

/** Fills aggregated ClusterRoles from those that their selectors choose. A role filled may fill another: then again. */
export class RoleAggregation implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #loop: Loop;

  constructor(cluster: Cluster, deps: LoopDeps) {
    this.#cluster = cluster;
    this.#loop = new Loop("role-aggregation", deps, () => this.#pass());
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource): void {
    if (resource.group === RBAC_GROUP && resource.plural === "clusterroles") this.#loop.add(ALL);
  }

  remove(resource: Resource, _object: KubeObject): void {
    this.put(resource);
  }

  async #pass(): Promise<void> {
    const resource = builtin(this.#cluster, RBAC_GROUP, "ClusterRole");
    const roles = (await this.#cluster.list(resource)) as readonly RoleObject[];
    for (const role of roles) {
      if (role.aggregationRule === undefined) continue;
      const rules = [...aggregatedRules(role, roles)];
      if (jsonEqual(role.rules ?? [], rules)) continue;
      const same = (live: RoleObject) => jsonEqual(live.aggregationRule, role.aggregationRule);
      await this.#cluster.update(placeOf(resource, role), {
        uid: role.metadata.uid,
        // Chosen by another selector by now: its own event brings us back.
        change: (live: RoleObject) => (same(live) ? { ...live, rules } : undefined),
      });
    }
  }
}
