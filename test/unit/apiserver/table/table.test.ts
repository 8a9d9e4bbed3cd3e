import { expect, it } from "vitest";
import type { PrinterColumn } from "../../../../apiserver/registry/types.ts";
import { humanAge, humanDuration } from "../../../../apiserver/table/duration.ts";
import { compileTable } from "../../../../apiserver/table/table.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const [S, M, H, D] = [1000, 60_000, 3_600_000, 86_400_000];
const NOW = new Date("2026-01-10T12:00:00Z");

it.each<[number, string]>([
  [-5 * S, "<invalid>"],
  [-1.5 * S, "0s"],
  [-0.5 * S, "0s"],
  [0, "0s"],
  [119.9 * S, "119s"],
  [120 * S, "2m"],
  [2 * M + 1 * S, "2m1s"],
  [5 * M, "5m"],
  [10 * M + 30 * S, "10m"],
  [179 * M, "179m"],
  [3 * H, "3h"],
  [3 * H + 7 * M, "3h7m"],
  [8 * H + 59 * M, "8h"],
  [47 * H, "47h"],
  [48 * H, "2d"],
  [3 * D + 21 * H, "3d21h"],
  [8 * D + 5 * H, "8d"],
  [729 * D, "729d"],
  [730 * D, "2y"],
  [731 * D, "2y1d"],
  [3000 * D, "8y"],
])("prints %i ms as %s", (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

it.each<[string, string]>([
  ["2026-01-10T11:55:00Z", "5m"],
  ["2026-01-10T13:55:00+02:00", "5m"],
  ["2026-01-10T11:59:59.500Z", "0s"],
  ["", "<unknown>"],
  ["0001-01-01T00:00:00Z", "<unknown>"],
  ["yesterday", "<invalid>"],
  ["2026-13-10T11:55:00Z", "<invalid>"],
])("prints the age of %s as %s", (time, text) => {
  expect(humanAge(time, NOW)).toBe(text);
});

const column = (type: PrinterColumn["type"], jsonPath = ".spec.v"): PrinterColumn => ({ name: "V", type, jsonPath });
const widget = (v?: unknown): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w1", creationTimestamp: "2026-01-07T12:00:00Z" },
  spec: v === undefined ? {} : { v },
});
const OPTIONS = { now: NOW, includeObject: "None" } as const;

it.each<[PrinterColumn["type"], unknown, unknown]>([
  ["string", "x", "x"],
  ["string", 5, "5"],
  ["string", true, "true"],
  ["string", { a: [1] }, '{"a":[1]}'],
  ["string", null, null],
  ["string", undefined, null],
  ["integer", 5, 5],
  ["integer", 5.9, 5],
  ["integer", "5", null],
  ["number", 5.5, 5.5],
  ["number", "5.5", null],
  ["boolean", false, false],
  ["boolean", "false", null],
  ["date", "2026-01-10T11:55:00Z", "5m"],
  ["date", 5, null],
  ["date", "soon", "<invalid>"],
])("cell of type %s for %j is %j", (type, value, cell) => {
  expect(compileTable([column(type)]).convert([widget(value)], OPTIONS).rows[0]?.cells).toEqual(["w1", cell]);
});

it("shows name and age without columns, and no age beside columns of its own", () => {
  const table = compileTable([]).convert([widget()], OPTIONS);
  expect(table.columnDefinitions?.map((c) => [c.name, c.type, c.format])).toEqual([
    ["Name", "string", "name"],
    ["Age", "date", ""],
  ]);
  expect(table.rows[0]?.cells).toEqual(["w1", "3d"]);
  expect(compileTable([column("string")]).columnDefinitions.map((c) => c.name)).toEqual(["Name", "V"]);
});

it("describes columns with format, priority and a description made from the path", () => {
  const [, defined] = compileTable([{ ...column("integer"), format: "int64", priority: 1 }]).columnDefinitions;
  expect(defined).toEqual({
    name: "V",
    type: "integer",
    format: "int64",
    priority: 1,
    description: "Custom resource definition column (in JSONPath format): .spec.v",
  });
});

it("includes as much of the object as was asked for", () => {
  const convert = (includeObject: "None" | "Metadata" | "Object") =>
    compileTable([]).convert([widget(1)], { ...OPTIONS, includeObject }).rows[0]?.object;
  expect(convert("None")).toBeUndefined();
  expect(convert("Metadata")).toEqual({
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: { name: "w1", creationTimestamp: "2026-01-07T12:00:00Z" },
  });
  expect(convert("Object")).toEqual(widget(1));
});

it("copies list metadata and leaves headers out on request", () => {
  const table = compileTable([]).convert([], {
    ...OPTIONS,
    noHeaders: true,
    metadata: { resourceVersion: "5", continue: "c" },
  });
  expect(table).toEqual({
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion: "5", continue: "c" },
    columnDefinitions: null,
    rows: [],
  });
});
