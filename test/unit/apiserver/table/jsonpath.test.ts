import { expect, it } from "vitest";
import {
  findJsonPath,
  getAt,
  parseJsonPath,
  selectableValue,
  setAt,
  simplePath,
} from "../../../../apiserver/table/jsonpath.ts";

const OBJECT = {
  metadata: { name: "w1", annotations: { "example.com/a": "x", "a.b": "y" } },
  spec: {
    size: 5,
    disks: [
      { id: "a", size: 1 },
      { id: "b", size: 2 },
      { id: "c", size: 3 },
    ],
    on: true,
  },
  status: {
    conditions: [
      { type: "Ready", status: "True" },
      { type: "Synced", status: "False" },
    ],
  },
};

it.each<[string, unknown[]]>([
  [".spec.size", [5]],
  ["{.spec.size}", [5]],
  ["$.spec.size", [5]],
  ["spec.size", [5]],
  [".spec.missing.deeper", []],
  [".spec.disks[0].id", ["a"]],
  [".spec.disks[-1].id", ["c"]],
  [".spec.disks[9].id", []],
  [".spec.disks[*].id", ["a", "b", "c"]],
  [".spec.disks[1:].id", ["b", "c"]],
  [".spec.disks[0:3:2].id", ["a", "c"]],
  [".spec.disks[?(@.size>=2)].id", ["b", "c"]],
  [".spec.disks[?(@.id!='a')].size", [2, 3]],
  ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
  ["{.status.conditions[?(@.type == 'Synced')].status}", ["False"]],
  [".status.conditions[?(@.reason)].status", []],
  [".metadata.annotations.example\\.com/a", ["x"]],
  [".metadata.annotations['example.com/a']", ["x"]],
  ['.metadata.annotations["a.b"]', ["y"]],
  [".metadata['name','missing']", ["w1"]],
  [".spec['size','on']", [5, true]],
  ["..id", ["a", "b", "c"]],
  [".spec.*", [5, OBJECT.spec.disks, true]],
  [".constructor", []],
  [".metadata.__proto__.toString", []],
  [".", [OBJECT]],
])("finds %s", (path, expected) => {
  expect(findJsonPath(parseJsonPath(path), OBJECT)).toEqual(expected);
});

it.each([".spec[", ".spec[abc]", ".spec.x]", ".spec[?(size)]", ".a[0:1:0]", ".a[?(@.x==y)]"])("refuses %s", (path) => {
  expect(() => parseJsonPath(path)).toThrow(Error);
});

it("visits a bounded number of values", () => {
  const wide = { a: Array.from({ length: 200 }, () => ({ b: Array.from({ length: 200 }, () => ({ c: 1 })) })) };
  expect(findJsonPath(parseJsonPath(".a[*].b[*].c"), wide).length).toBeLessThan(10_000);
  const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`) as unknown;
  expect(findJsonPath(parseJsonPath("..nothing"), deep)).toEqual([]);
});

it("reads and writes simple paths", () => {
  expect(simplePath(".spec.replicas")).toEqual(["spec", "replicas"]);
  expect(() => simplePath(".spec.disks[0]")).toThrow("must be a simple json path in the dot notation");
  expect(() => simplePath("spec.replicas")).toThrow(Error);
  expect(getAt(OBJECT, ["spec", "size"])).toBe(5);
  expect(getAt({ spec: null }, ["spec", "size"])).toBeUndefined();
  const object: Record<string, unknown> = {};
  setAt(object, ["spec", "replicas"], 3);
  expect(object).toEqual({ spec: { replicas: 3 } });
  expect(() => {
    setAt({ spec: 1 }, ["spec", "replicas"], 3);
  }).toThrow(".spec.replicas cannot be set: spec is not an object");
});

it("never writes to a prototype", () => {
  setAt({}, ["__proto__", "polluted"], true);
  setAt({}, ["constructor", "prototype", "polluted"], true);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

it("gives selectors a text for every selectable field", () => {
  expect(selectableValue(OBJECT, ".spec.size")).toBe("5");
  expect(selectableValue(OBJECT, ".spec.on")).toBe("true");
  expect(selectableValue(OBJECT, ".spec.missing")).toBe("");
  expect(selectableValue(OBJECT, ".spec.disks")).toBe("");
});
