import * as fc from "fast-check";
import { expect, it } from "vitest";
import { CorruptValueError } from "../../../../apiserver/storage/errors.ts";
import { encodeObject, isUnchanged, renderStored, StoredValue } from "../../../../apiserver/storage/value.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const widget = (fields: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w1" },
  ...fields,
});

const anyObject = fc
  .record({
    metadata: fc.record({
      name: fc.string(),
      labels: fc.dictionary(fc.string(), fc.string()),
      resourceVersion: fc.constantFrom("1", "77"),
    }),
    rest: fc.dictionary(fc.string(), fc.jsonValue()),
  })
  .map(({ metadata, rest }) => ({ ...rest, apiVersion: "example.com/v1", kind: "Widget", metadata }));

it("keeps every field but the resourceVersion", () => {
  fc.assert(
    fc.property(anyObject, (object) => {
      const { resourceVersion: _, ...metadata } = object.metadata;
      expect(JSON.parse(encodeObject(object))).toEqual(JSON.parse(JSON.stringify({ ...object, metadata })));
    }),
  );
});

it("gives equal objects equal texts, whatever the order of their keys", () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, reversed(member)]),
    );
  };
  fc.assert(
    fc.property(anyObject, (object) => {
      expect(encodeObject(reversed(object) as KubeObject)).toBe(encodeObject(object));
    }),
  );
});

it("renders the stored text with the revision, the same as the parsed object", () => {
  fc.assert(
    fc.property(anyObject, (object) => {
      const stored = new StoredValue("/k", 12, encodeObject(object));
      const rendered = JSON.parse(renderStored(stored));
      expect(rendered).toEqual(stored.object);
      expect(rendered.metadata.resourceVersion).toBe("12");
    }),
  );
});

it.each([
  ["keys in another order", '{"kind":"Widget","metadata":{"name":"w1"},"apiVersion":"example.com/v1"}'],
  [
    "a resourceVersion of its own",
    '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"resourceVersion":"3"}}',
  ],
  ["empty metadata", '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{}}'],
])("renders what others wrote: %s", (_, value) => {
  const rendered = renderStored(new StoredValue("/k", 12, value));
  expect(rendered.match(/resourceVersion/g)).toHaveLength(1);
  expect(JSON.parse(rendered).metadata.resourceVersion).toBe("12");
});

it("sees that nothing changed, also over a foreign order of keys", () => {
  const foreign = new StoredValue("/k", 12, '{"kind":"Widget","metadata":{"name":"w1"},"apiVersion":"example.com/v1"}');
  expect(isUnchanged(foreign, widget())).toBe(true);
  expect(isUnchanged(foreign, { ...widget(), metadata: { name: "w1", resourceVersion: "12" } })).toBe(true);
  expect(isUnchanged(foreign, widget({ spec: {} }))).toBe(false);
});

it.each(["k8s\0protobuf", "", "[]", '"text"', '{"kind":"Widget"}'])(
  "refuses %j as an object, naming the key",
  (value) => {
    const stored = new StoredValue("/registry/widgets/w1", 3, value);
    expect(() => stored.object).toThrow(CorruptValueError);
    expect(() => stored.object).toThrow("/registry/widgets/w1");
  },
);

it("parses an object once while it is young, and again when many others came after it", () => {
  const text = (n: number) => `{"metadata":{"name":"n${n}"},"data":"${"x".repeat(1000)}"}`;
  const values = Array.from({ length: 3000 }, (_, n) => new StoredValue(`/k${n}`, n + 1, text(n)));
  const first = values[0]!.object;
  expect(values[0]!.object).toBe(first);
  for (const value of values) expect(value.object.metadata.resourceVersion).toBe(String(value.revision));
  expect(values[0]!.object).not.toBe(first);
  expect(values[0]!.object).toEqual(first);
  expect(values[2999]!.object).toBe(values[2999]!.object);
});
