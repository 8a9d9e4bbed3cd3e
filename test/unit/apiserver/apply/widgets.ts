import { serverSideApply } from "../../../../apiserver/apply/server-side.ts";
import { trackUpdate } from "../../../../apiserver/apply/managed-fields.ts";
import type { FieldWriter, ResetFields } from "../../../../apiserver/apply/types.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { Json, JsonObject, KubeObject, ManagedFieldsEntry, ObjectMeta } from "../../../../machinery/object.ts";

const string: SchemaNode = { type: "string" };
const integer: SchemaNode = { type: "integer" };

/** A kind with every form of list and map that apply tells apart. */
export const schema: SchemaNode = {
  type: "object",
  properties: {
    apiVersion: string,
    kind: string,
    metadata: { type: "object" },
    spec: {
      type: "object",
      properties: {
        size: integer,
        name: string,
        port: { "x-kubernetes-int-or-string": true },
        maybe: { type: "string", nullable: true },
        args: { type: "array", items: string },
        zones: { type: "array", "x-kubernetes-list-type": "set", items: string },
        disks: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: {
            type: "object",
            properties: {
              name: string,
              size: integer,
              mode: string,
              options: { type: "object", additionalProperties: string },
            },
          },
        },
        ports: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["port", "protocol"],
          items: {
            type: "object",
            properties: { port: integer, protocol: { type: "string", default: "TCP" }, name: string },
          },
        },
        selector: { type: "object", "x-kubernetes-map-type": "atomic", additionalProperties: string },
        tags: { type: "object", additionalProperties: string },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
    status: { type: "object", properties: { phase: string, ready: integer } },
  },
};

export const API_VERSION = "example.com/v1";

export function widget(spec: JsonObject | undefined, metadata: ObjectMeta = {}, status?: JsonObject): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: "Widget",
    metadata: { name: "w1", namespace: "default", ...metadata },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

export interface Options {
  readonly force?: boolean;
  readonly resetFields?: ResetFields;
  readonly subresource?: string;
  readonly second?: number;
  /** Version in which the writer speaks. */
  readonly apiVersion?: string;
  /** Absent: all are. */
  readonly served?: readonly string[];
}

function writer(manager: string, { subresource = "", second = 0, apiVersion = API_VERSION }: Options): FieldWriter {
  return { manager, apiVersion, subresource, time: at(second) };
}

export const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;

const isServed =
  ({ served }: Options) =>
  (apiVersion: string): boolean =>
    served?.includes(apiVersion) ?? true;

export function apply(
  live: KubeObject | undefined,
  manager: string,
  applied: KubeObject,
  options: Options = {},
): KubeObject {
  const { force = false, resetFields = "none" } = options;
  const by = writer(manager, options);
  return serverSideApply({ live, applied, writer: by, force, schema, resetFields, isServed: isServed(options) });
}

export function update(
  old: KubeObject | undefined,
  manager: string,
  updated: KubeObject,
  options: Options = {},
): KubeObject {
  const entries = trackUpdate({
    old,
    updated,
    writer: writer(manager, options),
    schema,
    resetFields: options.resetFields ?? "none",
    isServed: isServed(options),
  });
  return { ...updated, metadata: { ...updated.metadata, managedFields: entries } };
}

/** The managedFields entry of a manager, which there must be exactly one of. */
export function entryOf(object: KubeObject, manager: string, operation?: string): ManagedFieldsEntry {
  const found = entriesOf(object).filter(
    (entry) => entry.manager === manager && (operation ?? entry.operation) === entry.operation,
  );
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} entries of ${manager}`);
  return found[0];
}

export const entriesOf = (object: KubeObject): readonly ManagedFieldsEntry[] => object.metadata.managedFields ?? [];
export const fieldsOf = (object: KubeObject, manager: string): Json | undefined => entryOf(object, manager).fieldsV1;
export const managersOf = (object: KubeObject): string[] => entriesOf(object).map((entry) => entry.manager ?? "");
