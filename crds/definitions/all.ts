import { allocation } from "./allocation.ts";
import { exportKind } from "./export.ts";
import { host } from "./host.ts";
import { hostPair } from "./host-pair.ts";
import { importKind } from "./import.ts";
import type { KindDefinition } from "./kind-definition.ts";
import { migration } from "./migration.ts";
import { mirror } from "./mirror.ts";
import { mirrorReplica } from "./mirror-replica.ts";
import { snapshot } from "./snapshot.ts";
import { virtualMachine } from "./virtual-machine.ts";
import { volume } from "./volume.ts";
import { volumeGroup } from "./volume-group.ts";

/** Every kind of the group, in the order of the documentation. */
export const KINDS: readonly KindDefinition[] = [
  host,
  volumeGroup,
  volume,
  snapshot,
  mirror,
  mirrorReplica,
  hostPair,
  exportKind,
  importKind,
  virtualMachine,
  migration,
  allocation,
];
