import { GROUP, VERSION } from "../constants.ts";
import type { Column, KindDefinition } from "./kind-definition.ts";
import { LABEL_NAME } from "./kind-definition.ts";
import type { SchemaNode } from "./schema-node.ts";

type Plain = Record<string, unknown>;

/** The CustomResourceDefinition (apiextensions.k8s.io/v1) of a kind. */
export function customResourceDefinition(kind: KindDefinition): Plain {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
        categories: ["ferrite"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...(kind.status === undefined ? {} : { subresources: { status: {} } }),
          additionalPrinterColumns: [...kind.columns.map(printerColumn), AGE],
          ...(kind.selectableFields.length === 0
            ? {}
            : { selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })) }),
          schema: { openAPIV3Schema: plainSchema(rootSchema(kind)) },
        },
      ],
    },
  };
}

const AGE = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function printerColumn({ name, type, jsonPath, description, wide }: Column): Plain {
  return { name, type, jsonPath, description, ...(wide ? { priority: 1 } : {}) };
}

/** The whole object: type and object metadata, spec, status. */
function rootSchema(kind: KindDefinition): SchemaNode {
  return {
    type: "object",
    description: kind.description,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: "Version of this form of the object: ferrite.dev/v1alpha1." },
      kind: { type: "string", description: `Kind of the object: ${kind.kind}.` },
      metadata: { type: "object" },
      spec: kind.spec,
      ...(kind.status === undefined ? {} : { status: kind.status }),
    },
    "x-kubernetes-validations": [kind.nameRule ?? LABEL_NAME, ...(kind.rules ?? [])],
  };
}

/** The schema without what only the TypeScript types need. */
function plainSchema(node: SchemaNode): Plain {
  const { properties, items, additionalProperties } = node;
  const plain = Object.fromEntries(Object.entries(node).filter(([key]) => key !== "ts"));
  return {
    ...plain,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([k, node]) => [k, plainSchema(node)])) }),
    ...(items === undefined ? {} : { items: plainSchema(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: plainSchema(additionalProperties) }),
  };
}
