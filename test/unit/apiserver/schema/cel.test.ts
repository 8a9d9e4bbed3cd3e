import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import type { SchemaNode, ValidationRule } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const widget = (x: unknown, name = "w1"): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name },
  spec: { x },
});
const of = (x: SchemaNode): SchemaNode => ({
  type: "object",
  properties: { spec: { type: "object", properties: { x } } },
});
const ruled = (x: SchemaNode, ...rules: (string | ValidationRule)[]): SchemaNode =>
  of({ ...x, "x-kubernetes-validations": rules.map((rule) => (typeof rule === "string" ? { rule } : rule)) });

function check(schema: SchemaNode, x: unknown, old?: unknown): string[] {
  const errors = compileSchema(schema).validate(widget(x), old === undefined ? undefined : widget(old));
  return errors.map((e) => `${e.field}: ${e.message}`);
}

const INT: SchemaNode = { type: "integer" };
const STRING: SchemaNode = { type: "string" };
const list = (items: SchemaNode, more: SchemaNode = {}): SchemaNode => ({ type: "array", items, ...more });
const object = (properties: Record<string, SchemaNode>): SchemaNode => ({ type: "object", properties });
const map = (additionalProperties: SchemaNode): SchemaNode => ({ type: "object", additionalProperties });
const NAMED = list(object({ name: STRING, size: INT }), {
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["name"],
});

it("a rule at the root, or one that does not compile there, blames the field <nil>, as a Kubernetes apiserver does", () => {
  const root = (rule: ValidationRule): SchemaNode => ({ ...of(INT), "x-kubernetes-validations": [rule] });
  expect(check(root({ rule: "self.spec.x > 5", message: "too small" }), 1)).toEqual([
    "<nil>: Invalid value: too small",
  ]);
  expect(check(root({ rule: "self.spec.x / 0 > 5" }), 1)).toEqual([
    expect.stringMatching(/^<nil>: Invalid value: .*zero/),
  ]);
  expect(check(root({ rule: "self.spec.x > 5", message: "too small", fieldPath: ".spec.x" }), 1)).toEqual([
    "spec.x: Invalid value: too small",
  ]);
});

/** Rules that hold for the value, as upstream's table of valid rules has them. */
it.each<[string, SchemaNode, unknown]>([
  ["self + 1 == 6 && self / 2 == 2 && self % 2 == 1", INT, 5],
  ["self == 9007199254740991 && self + 1 > self", INT, 2 ** 53 - 1],
  ["self * 2.0 == 11.0", { type: "number" }, 5.5],
  ["self == 5.0", { type: "number" }, 5],
  ["self ? true : false", { type: "boolean" }, true],
  ["self.startsWith('a') && self.endsWith('c') && self.contains('b') && size(self) == 3", STRING, "abc"],
  ["self.matches('^[a-z]+$') && !self.matches('x')", STRING, "abc"],
  ["matches(self, 'b')", STRING, "abc"],
  [
    "self.find('[0-9]+') == '12' && self.findAll('[0-9]+') == ['12', '3'] && self.findAll('[0-9]+', 1) == ['12']",
    STRING,
    "a12b3",
  ],
  [
    "self.split('-').join('+') == 'a+b' && self.replace('-', '_') == 'a_b' && self.upperAscii() == 'A-B'",
    STRING,
    "a-b",
  ],
  [
    "self.substring(1) == '😀c' && self.substring(1, 2) == '😀' && self.indexOf('c') == 2 && self.charAt(1) == '😀' && self.size() == 3",
    STRING,
    "a😀c",
  ],
  [
    "self.replace('a', 'b', 1) == 'ba' && self.reverse() == 'aa' && ' x '.trim() == 'x' && strings.quote('a\"b') == '\"a\\\\\"b\"'",
    STRING,
    "aa",
  ],
  ["'%s is %d, %.2f, %x'.format([self, 5, 1.5, 255]) == 'abc is 5, 1.50, ff'", STRING, "abc"],
  [
    "self.all(x, x > 0) && self.exists(x, x == 3) && self.exists_one(x, x == 2) && self.map(x, x * 2) == [2, 4, 6] && self.filter(x, x > 1).size() == 2",
    list(INT),
    [1, 2, 3],
  ],
  [
    "self.isSorted() && self.sum() == 6 && self.min() == 1 && self.max() == 3 && self.indexOf(2) == 1 && self.lastIndexOf(9) == -1",
    list(INT),
    [1, 2, 3],
  ],
  [
    "self[0] == 'a' && 'b' in self && self + ['c'] == ['a', 'b', 'c'] && self.indexOf('b') == 1",
    list(STRING),
    ["a", "b"],
  ],
  [
    "self.distinct() == ['a', 'b'] && self.sort() == ['a', 'a', 'b'] && self.slice(1, 2) == ['b'] && [[1], [2]].flatten() == [1, 2]",
    list(STRING),
    ["a", "b", "a"],
  ],
  [
    "sets.contains(self, ['a']) && sets.intersects(self, ['a', 'z']) && sets.equivalent(self, ['b', 'a', 'a'])",
    list(STRING),
    ["a", "b"],
  ],
  [
    "'k' in self && self['k'] == 1 && self.k == 1 && self.all(key, self[key] > 0) && size(self) == 1",
    map(INT),
    { k: 1 },
  ],
  ["has(self.a) && !has(self.b) && self.a == 1", object({ a: INT, b: INT }), { a: 1 }],
  ["self.?b.orValue(7) == 7 && self.?a.hasValue()", object({ a: INT, b: INT }), { a: 1 }],
  ["self[0] == self[1] && self[0] != self[2]", list(object({ x: list(INT) })), [{ x: [1] }, { x: [1] }, { x: [2] }]],
  [
    "has(self[0].size) && !has(self[1].size) && self.exists(d, !has(d.size)) && has({'a': 1}.a) && !has({'a': 1}.b)",
    NAMED,
    [{ name: "a", size: 1 }, { name: "b" }],
  ],
  [
    "self.exists(d, d.name == 'b' && d.size == 2)",
    NAMED,
    [
      { name: "a", size: 1 },
      { name: "b", size: 2 },
    ],
  ],
  [
    "self.__if__ == 1 && self.a__dash__b == 2 && self.c__dot__d__slash__e == 3 && self.f__underscores__g == 4",
    object({ if: INT, "a-b": INT, "c.d/e": INT, f__g: INT }),
    { if: 1, "a-b": 2, "c.d/e": 3, f__g: 4 },
  ],
  ["type(self) == int ? self == 5 : self == '5'", { "x-kubernetes-int-or-string": true }, 5],
  ["type(self) == string && self.endsWith('%')", { "x-kubernetes-int-or-string": true }, "50%"],
  ["self.a == null", object({ a: { type: "string", nullable: true } }), { a: null }],
  [
    "self > timestamp('2020-01-01T00:00:00Z') && self.getFullYear() == 2024",
    { type: "string", format: "date-time" },
    "2024-05-06T07:08:09Z",
  ],
  ["self.getDayOfMonth() == 5", { type: "string", format: "date" }, "2024-05-06"],
  ["self > duration('1h') && self.getMinutes() == 90", { type: "string", format: "duration" }, "1h30m"],
  ["string(self) == 'hello'", { type: "string", format: "byte" }, "aGVsbG8="],
  [
    "quantity(self).isGreaterThan(quantity('1G')) && quantity(self).compareTo(quantity('1024Mi')) == 0 && quantity(self).asInteger() == 1073741824",
    STRING,
    "1Gi",
  ],
  [
    "isQuantity(self) && !isQuantity('1Zi') && quantity(self).add(quantity('500m')).sub(1) == quantity('1')",
    STRING,
    "1500m",
  ],
  [
    "isIP(self) && ip(self).family() == 4 && ip(self).isLoopback() && !ip(self).isGlobalUnicast() && !isIP('1.2.3')",
    STRING,
    "127.0.0.1",
  ],
  [
    "ip(self) == ip('2001:db8::1') && string(ip(self)) == '2001:db8::1' && !ip.isCanonical(self)",
    STRING,
    "2001:DB8:0::0001",
  ],
  [
    "cidr(self).containsIP('10.0.3.4') && !cidr(self).containsIP('10.1.0.0') && cidr(self).containsCIDR('10.0.4.0/24') && cidr(self).prefixLength() == 16 && cidr(self).masked() == cidr('10.0.0.0/16')",
    STRING,
    "10.0.1.0/16",
  ],
  [
    "isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() == 'example.com:8443' && url(self).getPort() == '8443' && url(self).getEscapedPath() == '/a%20b' && url(self).getQuery()['k'] == ['v', 'w']",
    STRING,
    "https://example.com:8443/a%20b?k=v&k=w",
  ],
  [
    "!format.dns1123Label().validate(self).hasValue() && format.dns1123Label().validate('A_b').hasValue()",
    STRING,
    "abc",
  ],
  ["cel.bind(n, self.size(), n > 1 && n < 4)", STRING, "abc"],
  ["oldSelf == self || true", STRING, "abc"],
])("holds: %s", (rule, schema, value) => {
  expect(check(ruled(schema, rule), value)).toEqual([]);
  const negated = check(ruled(schema, rule.includes("oldSelf") ? "false" : `!(${rule})`), value);
  expect(negated).toHaveLength(1);
});

it("says what a rule says: message, messageExpression, reason and fieldPath", () => {
  const spec = object({ a: INT });
  expect(check(ruled(spec, "self.a > 5"), { a: 1 })).toEqual(["spec.x: Invalid value: failed rule: self.a > 5"]);
  expect(check(ruled(INT, { rule: "self > 5", message: " too small " }), 1)).toEqual([
    "spec.x: Invalid value: 1: too small",
  ]);
  expect(
    check(ruled(spec, { rule: "self.a > 5", messageExpression: "'a is ' + string(self.a)", message: "no" }), { a: 1 }),
  ).toEqual(["spec.x: Invalid value: a is 1"]);
  expect(check(ruled(spec, { rule: "self.a > 5", messageExpression: "' '", message: "fallback" }), { a: 1 })).toEqual([
    "spec.x: Invalid value: fallback",
  ]);
  expect(
    check(ruled(spec, { rule: "self.a > 5", messageExpression: "'x'.substring(9)", message: "fallback" }), { a: 1 }),
  ).toEqual(["spec.x: Invalid value: fallback"]);
  expect(
    check(ruled(spec, { rule: "self.a > 5", fieldPath: ".a", reason: "FieldValueRequired", message: "more" }), {
      a: 1,
    }),
  ).toEqual(["spec.x.a: Required value: more"]);
  expect(check(ruled(spec, { rule: "false", reason: "FieldValueForbidden", message: "no" }), {})).toEqual([
    "spec.x: Forbidden: no",
  ]);
  expect(check(ruled(STRING, { rule: "false", reason: "FieldValueDuplicate" }), "a")).toEqual([
    'spec.x: Duplicate value: "a"',
  ]);
});

it("runs rules at every node, with paths of lists, maps and properties", () => {
  const positive: SchemaNode = {
    ...INT,
    "x-kubernetes-validations": [{ rule: "self > 0", message: "must be positive" }],
  };
  const schema = of(object({ l: list(positive), m: map(positive), p: positive }));
  expect(check(schema, { l: [1, -1], m: { k: -2, ok: 1 }, p: -3 })).toEqual([
    "spec.x.l[1]: Invalid value: -1: must be positive",
    "spec.x.m[k]: Invalid value: -2: must be positive",
    "spec.x.p: Invalid value: -3: must be positive",
  ]);
});

it("lets root rules see the names of the object, and no more of its metadata", () => {
  const schema = {
    ...of(INT),
    "x-kubernetes-validations": [{ rule: "self.metadata.name.size() < 4 && self.kind == 'Widget'" }],
  };
  expect(compileSchema(schema).validate(widget(1, "abc"))).toEqual([]);
  expect(compileSchema(schema).validate(widget(1, "abcd"))).toHaveLength(1);
  const blind = { ...of(INT), "x-kubernetes-validations": [{ rule: "has(self.metadata.labels)" }] };
  expect(compileSchema(blind).validate(widget(1))[0]?.message).toContain("rule compile error");
});

it("runs transition rules only where there is something to compare with", () => {
  const immutable: SchemaNode = {
    ...INT,
    "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "immutable" }],
  };
  expect(check(of(immutable), 1)).toEqual([]);
  expect(check(of(immutable), 1, 1)).toEqual([]);
  expect(check(of(immutable), 2, 1)).toEqual(["spec.x: Invalid value: 2: immutable"]);
  const keyed = of({ ...NAMED, items: object({ name: STRING, size: immutable }) });
  expect(
    check(
      keyed,
      [
        { name: "b", size: 1 },
        { name: "a", size: 2 },
      ],
      [{ name: "a", size: 2 }],
    ),
  ).toEqual([]);
  expect(
    check(
      keyed,
      [
        { name: "b", size: 1 },
        { name: "a", size: 3 },
      ],
      [{ name: "a", size: 2 }],
    ),
  ).toEqual(["spec.x[1].size: Invalid value: 3: immutable"]);
});

it("gives optionalOldSelf an optional on creation and update alike", () => {
  const rule = {
    rule: "oldSelf.hasValue() ? self >= oldSelf.value() : self == 1",
    optionalOldSelf: true,
    message: "grows from 1",
  };
  expect(check(ruled(INT, rule), 1)).toEqual([]);
  expect(check(ruled(INT, rule), 2)).toEqual(["spec.x: Invalid value: 2: grows from 1"]);
  expect(check(ruled(INT, rule), 3, 2)).toEqual([]);
  expect(check(ruled(INT, rule), 1, 2)).toEqual(["spec.x: Invalid value: 1: grows from 1"]);
});

it("lets stand what was wrong before, but not what a transition rule forbids", () => {
  const schema = ruled(
    object({ a: { ...INT, "x-kubernetes-validations": [{ rule: "self > 5" }] }, b: STRING }),
    "size(self.b) < 9",
  );
  expect(check(schema, { a: 1, b: "y" }, { a: 1, b: "x" })).toEqual([]);
  expect(check(schema, { a: 2, b: "y" }, { a: 1, b: "x" })).toEqual([
    "spec.x.a: Invalid value: 2: failed rule: self > 5",
  ]);
  expect(check(ruled(INT, "self > oldSelf"), 1, 1)).toHaveLength(1);
});

it("says that rules were not run when the object is wrong otherwise", () => {
  expect(check(ruled(object({ a: INT }), "self.a > 5"), { a: "x" })).toEqual([
    'spec.x.a: Invalid value: "string": spec.x.a in body must be of type integer: "string"',
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
  ]);
});

it.each<[string, SchemaNode, unknown, string]>([
  ["self.a > 1", object({ a: INT }), {}, 'Invalid value: "object": no such key: a evaluating rule: self.a > 1'],
  [
    "self[5] > 1",
    list(INT),
    [1],
    'Invalid value: "array": no such key: index out of bounds, index 5 >= size 1 evaluating rule: self[5] > 1',
  ],
  ["1 / self == 1", INT, 0, 'Invalid value: "integer": division by zero evaluating rule: 1 / self == 1'],
  [
    "self + 9223372036854775807 > 0",
    INT,
    1,
    'Invalid value: "integer": integer overflow: 9223372036854775808 evaluating rule: self + 9223372036854775807 > 0',
  ],
  [
    "self + 1 == 2",
    { "x-kubernetes-int-or-string": true },
    "a",
    "call arguments did not match a supported operator, function or macro signature for rule: self + 1 == 2",
  ],
  ["self.matches('(')", STRING, "a", "evaluating rule: self.matches('(')"],
])("reports the failure of %s", (rule, schema, value, text) => {
  expect(check(ruled(schema, rule), value)[0]).toContain(text);
});

it("treats hostile keys as data", () => {
  const value = JSON.parse('{"__proto__": 1, "constructor": 2}') as unknown;
  expect(
    check(ruled(map(INT), "self['__proto__'] == 1 && self['constructor'] == 2 && size(self) == 2"), value),
  ).toEqual([]);
  const named = object(JSON.parse('{"constructor":{"type":"integer"}}') as Record<string, SchemaNode>);
  expect(check(ruled(named, "self.constructor == 2"), { constructor: 2 })).toEqual([]);
  expect(check(ruled(object({ a: INT }), "!has(self.a)"), JSON.parse('{"__proto__": {"a": 1}}'))).toEqual([]);
});
