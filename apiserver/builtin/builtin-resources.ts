import type { Resource } from "../registry/types.ts";
import type { CompileSchema } from "../schema/types.ts";
import { type BuiltinKind, builtinResource } from "./builtin-kind.ts";
import { apiServiceKind } from "./kinds/api-service.ts";
import { csrKind } from "./kinds/certificate-signing-request.ts";
import { configMapKind } from "./kinds/config-map.ts";
import { customResourceDefinitionKind } from "./kinds/custom-resource-definition.ts";
import { emptyKinds } from "./kinds/empty-kinds.ts";
import { coreEventKind, eventsEventKind } from "./kinds/event.ts";
import { leaseKind } from "./kinds/lease.ts";
import { namespaceKind } from "./kinds/namespace.ts";
import { rbacKinds } from "./kinds/rbac.ts";
import { secretKind } from "./kinds/secret.ts";
import { serviceAccountKind } from "./kinds/service-account.ts";
import { endpointsKind, endpointSliceKind, serviceKind } from "./kinds/service.ts";

const KINDS: readonly BuiltinKind[] = [
  namespaceKind,
  configMapKind,
  secretKind,
  serviceAccountKind,
  coreEventKind,
  eventsEventKind,
  leaseKind,
  ...rbacKinds,
  csrKind,
  customResourceDefinitionKind,
  apiServiceKind,
  serviceKind,
  endpointsKind,
  endpointSliceKind,
  ...emptyKinds,
];

/** Every built-in kind that has a path of its own, in the order of discovery. Virtual resources: `virtual/`. */
export function builtinResources(compile: CompileSchema): readonly Resource[] {
  return KINDS.map((kind) => builtinResource(kind, compile));
}
