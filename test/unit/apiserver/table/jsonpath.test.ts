import { expect, it } from "vitest";
import { findJsonPath, parseJsonPath } from "../../../../apiserver/table/jsonpath.ts";

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
