import fc from "fast-check";
import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { validateCrd } from "../../../../apiserver/schema/crd.ts";
import { pruneCrd } from "../../../../apiserver/schema/crd-shape.ts";
import { formatCheck } from "../../../../apiserver/schema/formats.ts";
import { jsonEqual } from "../../../../apiserver/schema/node.ts";
import { validateStructural } from "../../../../apiserver/schema/structural.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import { findJsonPath, parseJsonPath } from "../../../../apiserver/table/jsonpath.ts";
import type { JsonObject, KubeObject } from "../../../../machinery/object.ts";

/** Names that mean something to JavaScript stand beside plain ones. */
const NAMES = fc.constantFrom(
  "a",
  "b",
  "c",
  "name",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "a/b",
  "",
);

const leaf: fc.Arbitrary<SchemaNode> = fc.oneof(
  fc.record({ type: fc.constant("string") }),
  fc.record({ type: fc.constant("string"), default: fc.string(), nullable: fc.boolean() }),
  fc.record({ type: fc.constant("integer"), minimum: fc.integer(), default: fc.integer() }, { requiredKeys: ["type"] }),
  fc.record({ type: fc.constant("boolean") }),
  fc.record({ "x-kubernetes-int-or-string": fc.constant(true) }),
  fc.record({ "x-kubernetes-preserve-unknown-fields": fc.constant(true) }),
  fc.record({ type: fc.constant("object"), "x-kubernetes-preserve-unknown-fields": fc.constant(true) }),
) as fc.Arbitrary<SchemaNode>;

const schemas = fc.letrec<{ node: SchemaNode; object: SchemaNode }>((tie) => ({
  object: fc
    .tuple(
      fc.dictionary(NAMES, tie("node"), { maxKeys: 5, noNullPrototype: true }),
      fc.option(fc.constant({}), { nil: undefined }),
    )
    .map(([properties, fallback]) => ({
      type: "object",
      properties,
      ...(fallback === undefined ? {} : { default: fallback }),
    })),
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    tie("object"),
    tie("node").map((additionalProperties): SchemaNode => ({ type: "object", additionalProperties })),
    tie("node").map((items): SchemaNode => ({ type: "array", items })),
  ),
}));

const rootSchema: fc.Arbitrary<SchemaNode> = schemas.object.map((spec) => ({ type: "object", properties: { spec } }));

/** Any JSON, parsed from text as the server does, so that `__proto__` is an own key. */
const json = fc
  .letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.constantFrom(
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e300",
        "123456789012345678901234567890",
        '""',
        '"a"',
        '"50%"',
      ),
      fc.string().map((text) => JSON.stringify(text)),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
      fc
        .array(fc.tuple(NAMES, tie("value")), { maxLength: 5 })
        .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${String(value)}`).join(",")}}`),
    ),
  }))
  .value.map((text) => JSON.parse(text) as unknown);

const object = json.map((spec): KubeObject => ({ apiVersion: "v1", kind: "X", metadata: { name: "x" }, spec }));

it("pruning twice drops nothing more", () => {
  fc.assert(
    fc.property(rootSchema, object, (schema, value) => {
      const compiled = compileSchema(schema);
      compiled.prune(value);
      const once = structuredClone(value);
      expect(compiled.prune(value)).toEqual([]);
      expect(jsonEqual(value, once)).toBe(true);
    }),
  );
});

it("pruning keeps all that the schema names, and reports what it drops", () => {
  const kept = (value: unknown, node: SchemaNode | undefined): boolean => {
    if (node === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return true;
    return Object.entries(value).every(([key, child]) => {
      const own = Object.hasOwn(node.properties ?? {}, key) ? node.properties?.[key] : undefined;
      const isNamed =
        own !== undefined ||
        node.additionalProperties !== undefined ||
        node["x-kubernetes-preserve-unknown-fields"] === true;
      return isNamed && kept(child, own ?? (node.additionalProperties as SchemaNode | undefined));
    });
  };
  fc.assert(
    fc.property(rootSchema, object, (schema, value) => {
      const before = structuredClone(value) as unknown as JsonObject;
      const dropped = compileSchema(schema).prune(value);
      const spec = schema.properties!["spec"]!;
      expect(kept(value["spec"], spec)).toBe(true);
      for (const name of Object.keys(spec.properties ?? {})) {
        const had =
          typeof before["spec"] === "object" && before["spec"] !== null && Object.hasOwn(before["spec"], name);
        if (had && !Array.isArray(before["spec"])) expect(Object.hasOwn(value["spec"] as object, name)).toBe(true);
      }
      expect(dropped.length > 0).toBe(!jsonEqual(before, value));
    }),
  );
});

it("defaulting twice changes nothing more", () => {
  fc.assert(
    fc.property(rootSchema, object, (schema, value) => {
      const compiled = compileSchema(schema);
      compiled.prune(value);
      compiled.applyDefaults(value);
      const once = structuredClone(value);
      compiled.applyDefaults(value);
      expect(jsonEqual(value, once)).toBe(true);
    }),
  );
});

it("validation never throws, and an unchanged object never fails an update", () => {
  fc.assert(
    fc.property(rootSchema, object, (schema, value) => {
      const compiled = compileSchema(schema);
      compiled.prune(value);
      compiled.applyDefaults(value);
      for (const error of compiled.validate(value)) expect(error.message).not.toBe("");
      expect(compiled.validate(value, structuredClone(value))).toEqual([]);
    }),
  );
});

it("nothing a client sends reaches a prototype", () => {
  fc.assert(
    fc.property(rootSchema, object, object, (schema, value, old) => {
      const compiled = compileSchema(schema);
      compiled.prune(value);
      compiled.applyDefaults(value);
      compiled.validate(value, old);
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }),
  );
});

it("a CRD of any JSON is judged, not choked on", () => {
  fc.assert(
    fc.property(json, json, (spec, schema) => {
      const versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }];
      for (const each of [spec, { versions: spec }, { versions }]) {
        const crd = {
          apiVersion: "apiextensions.k8s.io/v1",
          kind: "CustomResourceDefinition",
          metadata: { name: "x" },
          spec: each,
        };
        expect(validateCrd(crd as KubeObject).length).toBeGreaterThan(0);
        pruneCrd(crd);
      }
    }),
  );
});

it("generated schemas that pass can be compiled, with rules at every node", () => {
  fc.assert(
    fc.property(rootSchema, object, (schema, value) => {
      const spec = { ...schema.properties!["spec"]!, "x-kubernetes-validations": [{ rule: "self == self" }] };
      const ruled: SchemaNode = { ...schema, properties: { spec } };
      const compiled = compileSchema(ruled);
      compiled.prune(value);
      compiled.applyDefaults(value);
      compiled.validate(value);
      validateStructural(ruled, "s");
    }),
    { numRuns: 30 },
  );
});

it("formats and paths take any text", () => {
  const names = [
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "byte",
    "date",
    "date-time",
    "duration",
    "isbn",
    "creditcard",
    "rgbcolor",
  ];
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.constantFrom(...names), (text, name) => {
      expect(typeof formatCheck(name)?.(text)).toBe("boolean");
    }),
  );
  fc.assert(
    fc.property(fc.string(), json, (text, value) => {
      try {
        findJsonPath(parseJsonPath(text), value);
      } catch (error) {
        expect((error as Error).message).toMatch(/JSON path|filter|operand/);
      }
    }),
  );
});

it.each(["uri", "email", "hostname", "byte", "duration", "mac", "date-time", "creditcard", "isbn"])(
  "format %s takes long text in linear time",
  (name) => {
    for (const part of ["a", "a.", "1h", "-", "a@", "00:", "AAAA", "%", "<", " ", "1 "]) {
      const before = process.cpuUsage();
      formatCheck(name)?.(part.repeat(500_000));
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(500);
    }
  },
);
