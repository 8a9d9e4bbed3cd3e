import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { validateStructural } from "../../../../apiserver/schema/structural.ts";
import type { SchemaNode, ValidationRule } from "../../../../apiserver/schema/types.ts";

const of = (x: SchemaNode): SchemaNode => ({ type: "object", properties: { x } });
const ruled = (x: SchemaNode, ...rules: (string | ValidationRule)[]): SchemaNode =>
  of({ ...x, "x-kubernetes-validations": rules.map((rule) => (typeof rule === "string" ? { rule } : rule)) });
const judge = (schema: SchemaNode): string[] => validateStructural(schema, "s").map((e) => `${e.field}: ${e.message}`);

const INT: SchemaNode = { type: "integer" };
const STRING: SchemaNode = { type: "string" };
const list = (items: SchemaNode, more: SchemaNode = {}): SchemaNode => ({ type: "array", items, ...more });
const RULE = "s.properties[x].x-kubernetes-validations[0]";

it.each<[string, SchemaNode, string]>([
  [
    "self.b == 1",
    { type: "object", properties: { a: INT } },
    "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b == 1\n | ....^",
  ],
  [
    "self == 'a'",
    INT,
    "compilation failed: ERROR: <input>:1:1: found no matching overload for '_==_' applied to '(int, string)'\n | self == 'a'\n | ^",
  ],
  ["has(self.b)", { type: "object", properties: { a: INT } }, "undefined field 'b'"],
  ["self + 1", INT, "cel expression must evaluate to a bool"],
  ["self >", INT, "compilation failed: ERROR: <input>:1:7: "],
  ["unknown(self)", INT, "compilation failed: ERROR: <input>:1:1: undeclared reference to 'unknown' (in container '')"],
  ["other == 1", INT, "compilation failed: ERROR: <input>:1:1: undeclared reference to 'other' (in container '')"],
  ["self.matches(5)", STRING, "found no matching overload for 'matches' applied to 'string.(int)'"],
])("refuses the rule %s", (rule, schema, text) => {
  const [error, ...more] = judge(ruled(schema, rule));
  expect(more).toEqual([]);
  expect(error).toContain(`${RULE}.rule: Invalid value: {"rule":${JSON.stringify(rule).replace(">", "\\u003e")}}: `);
  expect(error).toContain(text);
});

it("refuses rules on what rules cannot see, wrong messages, and misplaced oldSelf", () => {
  expect(judge(ruled({ "x-kubernetes-preserve-unknown-fields": true }, "true"))[0]).toContain(
    "rule declared on schema that does not support validation rules",
  );
  expect(judge(ruled(INT, { rule: "true", messageExpression: "self" }))[0]).toContain(
    `${RULE}.messageExpression: Invalid value: {"messageExpression":"self","rule":"true"}: messageExpression must evaluate to a string`,
  );
  expect(judge(ruled(INT, { rule: "true", optionalOldSelf: true }))).toEqual([
    `${RULE}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule`,
  ]);
  const inList = list({ ...INT, "x-kubernetes-validations": [{ rule: "self == oldSelf" }] }, { maxItems: 5 });
  expect(judge(of(inList))).toEqual([
    's.properties[x].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[x]',
  ]);
});

const HINT =
  "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

it.each<[string, string, SchemaNode, boolean]>([
  ["a comparison", "self > 5", INT, true],
  ["one pass over a bounded list", "self.all(x, x > 5)", list(INT, { maxItems: 1000 }), true],
  ["one pass over an unbounded list of integers", "self.all(x, x > 5)", list(INT), true],
  ["one pass over unbounded strings", "self.all(x, x.contains('a'))", list(STRING), false],
  ["two nested passes over an unbounded list", "self.all(x, self.all(y, x == y))", list(INT), false],
  ["two nested passes over a bounded list", "self.all(x, self.all(y, x == y))", list(INT, { maxItems: 500 }), true],
  ["a pattern on an unbounded string", "self.matches('^[a-z]*$')", STRING, true],
  ["a long pattern on an unbounded string", `self.matches('${"[a-z]".repeat(100)}')`, STRING, false],
  ["the same string matched with itself", "self.matches(self)", STRING, false],
])("estimates %s", (_name, rule, schema, isCheap) => {
  const errors = judge(ruled(schema, rule));
  if (isCheap) expect(errors).toEqual([]);
  else
    expect(errors[0]).toMatch(
      /^s\.properties\[x\]\.x-kubernetes-validations\[0\]\.rule: Forbidden: estimated rule cost exceeds budget by factor of (more than 100|\d+\.\d+)x/,
    );
  if (!isCheap) expect(errors[0]).toContain(HINT);
});

it("counts how often a rule runs below lists", () => {
  const costly: SchemaNode = {
    ...list(INT, { maxItems: 1000 }),
    "x-kubernetes-validations": [{ rule: "self.all(x, x > 5)" }],
  };
  expect(judge(of(list(costly, { maxItems: 100 })))).toEqual([]);
  expect(judge(of(list(costly)))[0]).toContain("estimated rule cost exceeds budget");
});

it("adds up the rules of a schema", () => {
  const big: SchemaNode = {
    ...list(INT, { maxItems: 1_000_000 }),
    "x-kubernetes-validations": [{ rule: "self.all(x, x > 5)" }],
  };
  const properties = Object.fromEntries(Array.from({ length: 40 }, (_x, i) => [`p${i}`, big]));
  expect(judge({ type: "object", properties })).toEqual([
    `s: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${judge({ type: "object", properties })[0]?.match(/factor of (\S+)/)?.[1]} ${HINT}`,
  ]);
});

const NUMBERS = Array.from({ length: 3000 }, (_x, i) => i);
const LONG = "a".repeat(1_000_000);

/** Rules that a foreign etcd may hold: the static estimate never saw them. Processor time, as others use the machine too. */
it.each<[string, SchemaNode, unknown]>([
  ["self.all(x, self.all(y, self.all(z, x + y + z >= 0)))", list(INT), NUMBERS],
  ["self.all(x, self.exists(y, y == -1) || true)", list(INT), NUMBERS],
  ["self.map(x, self.map(y, self)).size() > 0", list(INT), NUMBERS],
  ["self.all(x, self + [x] != self)", list(INT), NUMBERS],
  [
    "self.all(x, x.contains('b') || x.matches('(a+)+$'))",
    list(STRING),
    Array.from({ length: 50 }, () => LONG.slice(0, 50_000)),
  ],
  [
    "cel.bind(a, self + self, cel.bind(b, a + a, cel.bind(c, b + b, cel.bind(d, c + c, d + d == d)))) && self == self.reverse()",
    STRING,
    LONG,
  ],
  ["self.all(x, sets.contains(self, self))", list(INT), NUMBERS],
  ["self.all(x, sets.intersects(self, self.map(y, y - 100000)))", list(INT), NUMBERS],
  ["self.all(x, self.all(y, 1 / 0 == y))", list(INT), NUMBERS],
  ["self.all(x, self.all(y, timestamp(x).getHours('America/New_York') >= 0))", list(INT), NUMBERS],
  [
    "self.all(x, self.all(y, string(x * 10000 + y).matches('(a{' + string(y % 1000) + '})b' + string(x)) || true))",
    list(INT),
    NUMBERS,
  ],
  [
    "self.all(x, self.all(y, ip('10.0.0.1').isGlobalUnicast() && url('https://a/b').getHost() == 'a'))",
    list(INT),
    NUMBERS,
  ],
  ["self.map(x, string(x)).join(',').split(',').map(x, self).flatten().distinct().size() == 0", list(INT), NUMBERS],
  ["self.replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').size() > 0", STRING, LONG],
  [
    "self.all(k, self.all(l, self[k] == self[l] || self == self))",
    { type: "object", additionalProperties: INT },
    Object.fromEntries(NUMBERS.map((n) => [`k${n}`, 1])),
  ],
])("stops %s in time", (rule, schema, value) => {
  const compiled = compileSchema(ruled(schema, rule));
  const object = { apiVersion: "v1", kind: "X", metadata: {}, x: value };
  const before = process.cpuUsage();
  const errors = compiled.validate(object);
  const cpuMs = process.cpuUsage(before).user / 1000;
  expect(errors[0]?.message).toMatch(/cost limit exceeded|running out of cost budget/);
  expect(cpuMs).toBeLessThan(1000);
});

it("spends one budget on all items of an object", () => {
  const items: SchemaNode = { ...list(INT), "x-kubernetes-validations": [{ rule: "self.all(x, x >= 0)" }] };
  const compiled = compileSchema(of(list(items)));
  const value = Array.from({ length: 300 }, () => NUMBERS);
  const errors = compiled.validate({ apiVersion: "v1", kind: "X", metadata: {}, x: value });
  expect(errors.map((e) => e.message)).toEqual([
    'Invalid value: "array": validation failed due to running out of cost budget, no further validation rules will be run',
  ]);
});

it("limits the errors of rules, and what starting a million of them may cost", () => {
  const item = (rule: string): SchemaNode => of(list({ ...INT, "x-kubernetes-validations": [{ rule }] }));
  const object = { apiVersion: "v1", kind: "X", metadata: {}, x: Array.from({ length: 300_000 }, () => 1) };
  expect(compileSchema(item("self > 1")).validate(object)).toHaveLength(100);
  expect(
    compileSchema(item("self == 1"))
      .validate(object)
      .map((e) => e.message),
  ).toEqual([
    'Invalid value: "integer": validation failed due to running out of cost budget, no further validation rules will be run',
  ]);
});
