// Made by hack/generate from crds/definitions/. Do not edit.

import type { ResourceType } from "../../machinery/resource-type.ts";
import { HOSTS } from "./host.ts";
import { VOLUME_GROUPS } from "./volume-group.ts";
import { VOLUMES } from "./volume.ts";
import { SNAPSHOTS } from "./snapshot.ts";
import { MIRRORS } from "./mirror.ts";
import { MIRROR_REPLICAS } from "./mirror-replica.ts";
import { HOST_PAIRS } from "./host-pair.ts";
import { EXPORTS } from "./export.ts";
import { IMPORTS } from "./import.ts";
import { VIRTUAL_MACHINES } from "./virtual-machine.ts";
import { MIGRATIONS } from "./migration.ts";
import { ALLOCATIONS } from "./allocation.ts";

/** Every kind of the group. */
export const ALL_KINDS: readonly ResourceType[] = [
  HOSTS,
  VOLUME_GROUPS,
  VOLUMES,
  SNAPSHOTS,
  MIRRORS,
  MIRROR_REPLICAS,
  HOST_PAIRS,
  EXPORTS,
  IMPORTS,
  VIRTUAL_MACHINES,
  MIGRATIONS,
  ALLOCATIONS,
];
