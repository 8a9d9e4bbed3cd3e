import type { KubeObject } from "../../../machinery/object.ts";
import type { VirtualRequest, VirtualResource } from "../../registry/types.ts";
import type { CompileSchema, SchemaNode } from "../../schema/types.ts";
import { compileOnUse } from "../builtin-kind.ts";

export interface VirtualKind {
  /** Of the path. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly subresource?: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly bodyApiVersion: string;
  readonly schema: SchemaNode;
  /** The status that goes with the body; spec and metadata come back as they came. */
  status(request: VirtualRequest): Promise<Readonly<Record<string, unknown>>>;
}

export function virtualResource(kind: VirtualKind, compile: CompileSchema): VirtualResource {
  return {
    group: kind.group,
    version: kind.version,
    plural: kind.plural,
    subresource: kind.subresource ?? "",
    singular: kind.kind.toLowerCase(),
    namespaced: kind.namespaced,
    kind: kind.kind,
    bodyApiVersion: kind.bodyApiVersion,
    schema: kind.schema,
    compiled: compileOnUse(kind.schema, compile),
    async create(request): Promise<KubeObject> {
      const { body } = request;
      return {
        ...body,
        apiVersion: kind.bodyApiVersion,
        kind: kind.kind,
        metadata: body.metadata ?? {},
        status: await kind.status(request),
      };
    },
  };
}
