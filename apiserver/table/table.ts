import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { PrinterColumn } from "../registry/types.ts";
import { humanAge } from "./duration.ts";
import { findJsonPath, type JsonPath, parseJsonPath } from "./jsonpath.ts";

/** metav1.Table and its parts, as they go over the wire. */
export interface Table {
  readonly kind: "Table";
  readonly apiVersion: "meta.k8s.io/v1";
  readonly metadata: ListMeta;
  readonly columnDefinitions: readonly ColumnDefinition[] | null;
  readonly rows: readonly Row[];
}

export interface ListMeta {
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface Row {
  readonly cells: readonly Cell[];
  readonly object?: KubeObject | PartialObjectMetadata;
}

type Cell = string | number | boolean | null;

export interface PartialObjectMetadata {
  readonly kind: "PartialObjectMetadata";
  readonly apiVersion: "meta.k8s.io/v1";
  readonly metadata: ObjectMeta;
}

/** `includeObject` of a request for a Table; kubectl leaves it out, which means Metadata. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableOptions {
  /** Ages are computed here, not in the client. */
  readonly now: Date;
  readonly includeObject: IncludeObject;
  /** Watches send the column definitions with the first event only. */
  readonly noHeaders?: boolean;
  readonly metadata?: ListMeta;
}

/** Turns objects of one resource into tables. */
export interface TableConverter {
  readonly columnDefinitions: readonly ColumnDefinition[];
  convert(objects: readonly KubeObject[], options: TableOptions): Table;
}

const NAME_DESCRIPTION =
  "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_DESCRIPTION =
  "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/** What a resource without columns of its own shows after its name. */
export const DEFAULT_COLUMNS: readonly PrinterColumn[] = [
  { name: "Age", type: "date", description: AGE_DESCRIPTION, jsonPath: ".metadata.creationTimestamp" },
];

/** The first column, unless the resource has one of its own. */
const NAME_COLUMN: ColumnDefinition = {
  name: "Name",
  type: "string",
  format: "name",
  description: NAME_DESCRIPTION,
  priority: 0,
};

/** Compiles the columns of a resource; without any it shows name and age. */
export function compileTable(columns: readonly PrinterColumn[]): TableConverter {
  const shown = columns.length === 0 ? DEFAULT_COLUMNS : columns;
  const readers = shown.map((column) => ({ type: column.type, read: readerOf(column) }));
  const named = shown.some((column) => column.name === "Name" && column.jsonPath === ".metadata.name");
  const columnDefinitions = [...(named ? [] : [NAME_COLUMN]), ...shown.map(definitionOf)];
  const rowOf = (object: KubeObject, { now, includeObject }: TableOptions): Row => ({
    cells: [
      ...(named ? [] : [object.metadata.name ?? ""]),
      ...readers.map(({ type, read }) => cellOf(type, read(object), now)),
    ],
    ...objectOf(object, includeObject),
  });
  return {
    columnDefinitions,
    convert: (objects, options) => ({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: options.metadata ?? {},
      columnDefinitions: options.noHeaders === true ? null : columnDefinitions,
      rows: objects.map((object) => rowOf(object, options)),
    }),
  };
}

/** What a column shows of an object, before it is rendered by the column's type. */
function readerOf(column: PrinterColumn): (object: KubeObject) => unknown {
  if (column.cell !== undefined) return column.cell;
  const path = pathOf(column);
  return path === undefined ? () => undefined : (object) => findJsonPath(path, object)[0];
}

/** CRDs with a path that cannot be read are refused; one from a foreign etcd shows empty cells. */
function pathOf(column: PrinterColumn): JsonPath | undefined {
  try {
    return parseJsonPath(column.jsonPath);
  } catch {
    return undefined;
  }
}

const definitionOf = (column: PrinterColumn): ColumnDefinition => ({
  name: column.name,
  type: column.type,
  format: column.format ?? "",
  description: column.description || `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
  priority: column.priority ?? 0,
});

function cellOf(type: PrinterColumn["type"], value: unknown, now: Date): Cell {
  if (value === undefined || value === null) return null;
  return CELLS[type](value, now);
}

/** What a value shows as in a column of a type; a value of another JSON type shows nothing. */
const CELLS: Readonly<Record<PrinterColumn["type"], (value: unknown, now: Date) => Cell>> = {
  string: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  integer: (value) => (typeof value === "number" ? Math.trunc(value) : null),
  number: (value) => (typeof value === "number" ? value : null),
  boolean: (value) => (typeof value === "boolean" ? value : null),
  date: (value, now) => (typeof value === "string" ? humanAge(value, now) : null),
};

function objectOf(object: KubeObject, include: IncludeObject): Pick<Row, "object"> {
  if (include === "None") return {};
  if (include === "Object") return { object };
  return { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata } };
}
