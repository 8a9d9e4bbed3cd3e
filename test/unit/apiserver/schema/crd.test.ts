import { expect, it } from "vitest";
import { validateCrd } from "../../../../apiserver/schema/crd.ts";
import { pruneCrd } from "../../../../apiserver/schema/crd-shape.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

interface Parts {
  readonly name?: string;
  readonly annotations?: Record<string, string>;
  readonly spec?: Record<string, unknown>;
  readonly names?: Record<string, unknown>;
  readonly version?: Record<string, unknown>;
  readonly status?: unknown;
}

const SCHEMA = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        replicas: { type: "integer" },
        color: { type: "string" },
        tags: { type: "array", items: { type: "string" } },
      },
    },
    status: { type: "object", properties: { replicas: { type: "integer" } } },
  },
};
const VERSION = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: SCHEMA } };

function crd({ name = "widgets.example.com", annotations, spec, names, version, status }: Parts = {}): KubeObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList", ...names },
      versions: [{ ...VERSION, ...version }],
      conversion: { strategy: "None" },
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}
const show = (object: KubeObject, old?: KubeObject): string[] =>
  validateCrd(object, old).map((e) => `${e.field}: ${e.message}`);
const versions = (...all: object[]) => ({ spec: { versions: all } });
const V1 = "spec.versions[0]";
const LABEL =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name', or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const fields = (...paths: string[]) => ({ version: { selectableFields: paths.map((jsonPath) => ({ jsonPath })) } });
const scale = (spec: string, status: string, label?: string) => ({
  version: {
    subresources: {
      scale: {
        specReplicasPath: spec,
        statusReplicasPath: status,
        ...(label === undefined ? {} : { labelSelectorPath: label }),
      },
    },
  },
});

it.each<[string, Parts, string[]]>([
  [
    "a whole CRD",
    {
      version: {
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
        additionalPrinterColumns: [
          { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
        ],
        selectableFields: [{ jsonPath: ".spec.color" }],
      },
    },
    [],
  ],
  [
    "a name that does not fit",
    { name: "gadgets.example.com" },
    ['metadata.name: Invalid value: "gadgets.example.com": must be spec.names.plural+"."+spec.group'],
  ],
  [
    "a group without a dot",
    { name: "widgets.example", spec: { group: "example" } },
    ['spec.group: Invalid value: "example": should be a domain with at least one dot'],
  ],
  ["no scope", { spec: { scope: "" } }, ["spec.scope: Required value"]],
  [
    "an unknown scope",
    { spec: { scope: "Global" } },
    ['spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"'],
  ],
  ["no kind", { names: { kind: "" } }, ["spec.names.kind: Required value"]],
  [
    "a kind with an underscore",
    { names: { kind: "My_Widget" } },
    [`spec.names.kind: Invalid value: "My_Widget": may have mixed case, but should otherwise match: ${LABEL}`],
  ],
  [
    "kind and listKind alike",
    { names: { listKind: "Widget" } },
    ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
  ],
  [
    "a bad short name",
    { names: { shortNames: ["w", "W!"] } },
    [`spec.names.shortNames[1]: Invalid value: "W!": ${LABEL}`],
  ],
  [
    "no storage version",
    versions({ ...VERSION, storage: false }),
    [
      'spec.versions: Invalid value: [{"name":"v1","served":true,"storage":false}]: must have exactly one version marked as storage version',
    ],
  ],
  [
    "the same version twice",
    versions(VERSION, { ...VERSION, storage: false }),
    [
      'spec.versions: Invalid value: [{"name":"v1","served":true,"storage":true},{"name":"v1","served":true,"storage":false}]: must contain unique version names',
    ],
  ],
  [
    "no schema",
    versions({ name: "v1", served: true, storage: true }),
    [`${V1}.schema.openAPIV3Schema: Required value: schemas are required`],
  ],
  [
    "a schema that is not structural",
    { version: { schema: { openAPIV3Schema: { type: "object", properties: { spec: {} } } } } },
    [
      `${V1}.schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields`,
    ],
  ],
  [
    "a schema of a wrong JSON type",
    { version: { schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: ["a"] } } } } } },
    [
      `${V1}.schema.openAPIV3Schema.properties[spec].type: Invalid value: ["a"]: json: cannot unmarshal array into Go struct field ${V1}.schema.openAPIV3Schema.properties[spec].type of type string`,
    ],
  ],
  [
    "a conversion webhook",
    { spec: { conversion: { strategy: "Webhook" } } },
    [
      'spec.conversion.strategy: Invalid value: "Webhook": conversion webhooks are not supported by this server: use None, which changes apiVersion only',
    ],
  ],
  [
    "preserveUnknownFields",
    { spec: { preserveUnknownFields: true } },
    [
      "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
    ],
  ],
  [
    "a warning of a version not deprecated",
    { version: { deprecationWarning: "old" } },
    [`${V1}.deprecationWarning: Invalid value: "old": can only be set for deprecated versions`],
  ],
  [
    "a warning with a line break",
    { version: { deprecated: true, deprecationWarning: "a\nb" } },
    [
      `${V1}.deprecationWarning: Invalid value: "a\\nb": must only contain printable UTF-8 characters; non-printable character found at index 1`,
    ],
  ],
  [
    "a column of an unknown type",
    { version: { additionalPrinterColumns: [{ name: "A", type: "text", jsonPath: ".spec.a" }] } },
    [
      `${V1}.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string`,
    ],
  ],
  [
    "a column with a broken path",
    { version: { additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec[" }] } },
    [`${V1}.additionalPrinterColumns[0].JSONPath: Invalid value: ".spec[": unterminated array in JSON path ".spec["`],
  ],
  [
    "a column path without a dot",
    { version: { additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: "spec.a" }] } },
    [`${V1}.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.a": must be a simple json path starting with .`],
  ],
  [
    "scale paths elsewhere",
    scale(".status.replicas", ".spec.replicas", ".metadata.x"),
    [
      `${V1}.subresources.scale.specReplicasPath: Invalid value: ".status.replicas": should be a json path under .spec`,
      `${V1}.subresources.scale.statusReplicasPath: Invalid value: ".spec.replicas": should be a json path under .status`,
      `${V1}.subresources.scale.labelSelectorPath: Invalid value: ".metadata.x": should be a json path under either .spec or .status`,
    ],
  ],
  [
    "a scale path with brackets",
    scale(".spec.a[0]", ".status.replicas"),
    [`${V1}.subresources.scale.specReplicasPath: Invalid value: ".spec.a[0]": must be a json path in the dot notation`],
  ],
  [
    "a selectable list",
    fields(".spec.tags"),
    [
      `${V1}.selectableFields[0].jsonPath: Invalid value: ".spec.tags": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.`,
    ],
  ],
  [
    "a selectable field that is not there",
    fields(".spec.x"),
    [
      `${V1}.selectableFields[0].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field`,
    ],
  ],
  [
    "a selectable field twice",
    fields(".spec.color", ".spec.color"),
    [`${V1}.selectableFields[1].jsonPath: Duplicate value: ".spec.color"`],
  ],
  [
    "stored versions without the storage version",
    { status: { storedVersions: ["v0"] } },
    [
      'status.storedVersions: Invalid value: ["v0"]: must have the storage version v1',
      'status.storedVersions[0]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions',
    ],
  ],
  [
    "a protected group",
    { name: "widgets.x.k8s.io", spec: { group: "x.k8s.io" } },
    [
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  ],
  [
    "a protected group, wrongly approved",
    { name: "widgets.x.k8s.io", spec: { group: "x.k8s.io" }, annotations: { "api-approved.kubernetes.io": "yes" } },
    [
      'metadata.annotations[api-approved.kubernetes.io]: Invalid value: "yes": protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  ],
  [
    "a protected group, approved",
    {
      name: "widgets.x.k8s.io",
      spec: { group: "x.k8s.io" },
      annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1" },
    },
    [],
  ],
])("judges %s", (_name, parts, expected) => {
  expect(show(crd(parts))).toEqual(expected);
});

it("allows eight selectable fields", () => {
  const names = Array.from({ length: 9 }, (_x, i) => `f${i}`);
  const schema = { type: "object", properties: Object.fromEntries(names.map((n) => [n, { type: "string" }])) };
  const version = (count: number) => ({
    version: {
      schema: { openAPIV3Schema: schema },
      selectableFields: names.slice(0, count).map((n) => ({ jsonPath: `.${n}` })),
    },
  });
  expect(show(crd(version(8)))).toEqual([]);
  expect(show(crd(version(9)))).toEqual([`${V1}.selectableFields: Too many: 9: must have at most 8 items`]);
});

it("keeps what identifies stored objects, and more once it is established", () => {
  const established = { conditions: [{ type: "Established", status: "True" }], storedVersions: ["v1"] };
  const changed = crd({ spec: { scope: "Cluster" }, names: { kind: "Gadget" } });
  expect(show(changed, crd())).toEqual([]);
  expect(show(changed, crd({ status: established }))).toEqual([
    'spec.scope: Invalid value: "Cluster": field is immutable',
    'spec.names.kind: Invalid value: "Gadget": field is immutable',
  ]);
  expect(show(crd({ name: "gadgets.example.com", names: { plural: "gadgets" } }), crd())).toEqual([
    'spec.names.plural: Invalid value: "gadgets": field is immutable',
  ]);
});

it("does not judge again a schema that was accepted before", () => {
  const bad = { version: { schema: { openAPIV3Schema: { type: "object", properties: { spec: {} } } } } };
  expect(show(crd({ ...bad, names: { shortNames: ["w"] } }), crd(bad))).toEqual([]);
});

it("never throws, whatever a client sends", () => {
  for (const junk of [
    null,
    5,
    "x",
    [],
    { versions: 5 },
    { versions: [null] },
    { names: [] },
    { versions: [{ schema: { openAPIV3Schema: [] } }] },
  ]) {
    expect(validateCrd({ ...crd(), spec: junk }).length).toBeGreaterThan(0);
  }
});

it("names the unknown fields of a CRD, also inside schemas", () => {
  const object = crd({
    version: {
      bogus: 1,
      schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", minLen: 1 } } } },
    },
  });
  expect(pruneCrd(object)).toEqual([`${V1}.bogus`, `${V1}.schema.openAPIV3Schema.properties[spec].minLen`]);
  expect(show(object)).toEqual([]);
});
