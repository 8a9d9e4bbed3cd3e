import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { validateStructural } from "../../../../apiserver/schema/structural.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";

/** Rules of the kinds that widely used CRDs have: they must compile, be cheap enough, hold and fail as meant. */

const INT: SchemaNode = { type: "integer" };
const STRING: SchemaNode = { type: "string" };
const short = (maxLength = 63): SchemaNode => ({ type: "string", maxLength });
const object = (properties: Record<string, SchemaNode>): SchemaNode => ({ type: "object", properties });
const list = (items: SchemaNode, maxItems: number): SchemaNode => ({ type: "array", items, maxItems });

const LISTENERS = list(
  object({ name: short(253), hostname: short(253), port: INT, protocol: short(255), tls: object({ mode: short() }) }),
  64,
);
const PARENTS = list(object({ group: short(253), kind: short(), name: short(253), namespace: short() }), 32);
const REQUIREMENTS = list(object({ key: short(316), operator: short(), values: list(STRING, 50) }), 100);

it.each<[string, SchemaNode, unknown, unknown]>([
  [
    "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
    LISTENERS,
    [{ protocol: "HTTP" }, { protocol: "TLS", tls: {} }],
    [{ protocol: "TCP", tls: {} }],
  ],
  [
    "self.all(l1, self.exists_one(l2, l1.name == l2.name))",
    LISTENERS,
    [{ name: "a" }, { name: "b" }],
    [{ name: "a" }, { name: "a" }],
  ],
  [
    "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))",
    LISTENERS,
    [
      { port: 80, protocol: "HTTP" },
      { port: 80, protocol: "HTTP", hostname: "a" },
    ],
    [
      { port: 80, protocol: "HTTP" },
      { port: 80, protocol: "HTTP" },
    ],
  ],
  [
    "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__))))",
    PARENTS,
    [
      { group: "g", kind: "k", name: "a" },
      { group: "g", kind: "k", name: "a", namespace: "n" },
    ],
    [
      { group: "g", kind: "k", name: "a" },
      { group: "g", kind: "k", name: "a", namespace: "" },
    ],
  ],
  [
    '(self.type in [\'Exact\', \'PathPrefix\']) ? self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true',
    object({ type: short(), value: short(1024) }),
    { type: "Exact", value: "/a%20b" },
    { type: "Exact", value: "/a b" },
  ],
  [
    "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
    object({ group: short(), kind: short(), port: INT }),
    { group: "", kind: "Service", port: 1 },
    { group: "", kind: "Service" },
  ],
  [
    "(self.size() > 0 ? self[0].matches.size() : 0) + (self.size() > 1 ? self[1].matches.size() : 0) <= 3",
    list(object({ matches: list(object({ x: INT }), 64) }), 16),
    [{ matches: [{}, {}] }, { matches: [{}] }],
    [{ matches: [{}, {}] }, { matches: [{}, {}] }],
  ],
  ["[has(self.a), has(self.b)].filter(x, x == true).size() == 1", object({ a: INT, b: INT }), { a: 1 }, { a: 1, b: 2 }],
  [
    "self.all(x, x.operator == 'In' ? x.values.size() != 0 : true)",
    REQUIREMENTS,
    [{ operator: "In", values: ["a"] }],
    [{ operator: "In", values: [] }],
  ],
  [
    "self.all(x, (x.operator == 'Gt' || x.operator == 'Lt') ? (x.values.size() == 1 && int(x.values[0]) >= 0) : true)",
    REQUIREMENTS,
    [{ operator: "Gt", values: ["5"] }],
    [{ operator: "Gt", values: ["-5"] }],
  ],
  [
    "self in ['topology.kubernetes.io/zone'] || !self.find('^([^/]+)').endsWith('kubernetes.io')",
    short(316),
    "example.com/x",
    "x.kubernetes.io/y",
  ],
  [
    "self.all(x, self.exists(y, y == x) && x != 'kubernetes.io/hostname')",
    list(short(316), 50),
    ["a", "b"],
    ["kubernetes.io/hostname"],
  ],
  ["duration(self) >= duration('1h') && duration(self) <= duration('24h')", short(20), "90m", "30m"],
  [
    "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''",
    short(2048),
    "https://example.com",
    "ftp://example.com",
  ],
  [
    "self.all(key, key.startsWith('example.com/') && self[key].size() < 5)",
    { type: "object", maxProperties: 20, additionalProperties: short() },
    { "example.com/a": "x" },
    { "example.com/a": "xxxxxx" },
  ],
  [
    "!has(self.spec.min) || !has(self.spec.max) || self.spec.min <= self.spec.max",
    object({ spec: object({ min: INT, max: INT }) }),
    { spec: { min: 1, max: 2 } },
    { spec: { min: 3, max: 2 } },
  ],
  [
    "type(self) == int ? self >= 0 && self <= 100 : self.matches('^(100|[0-9]{1,2})%$')",
    { "x-kubernetes-int-or-string": true, maxLength: 10 },
    "50%",
    101,
  ],
  [
    "quantity(string(self)).isGreaterThan(quantity('0'))",
    { "x-kubernetes-int-or-string": true, maxLength: 20 },
    "1Gi",
    "-1",
  ],
  [
    "self.replicas >= self.minReplicas && self.hosts.exists(h, h.contains('.')) && self.hosts.map(h, h.size()).max() < 20",
    object({ replicas: INT, minReplicas: INT, hosts: list(short(253), 10) }),
    { replicas: 2, minReplicas: 1, hosts: ["a.b"] },
    { replicas: 2, minReplicas: 1, hosts: ["ab"] },
  ],
  [
    "self.?tls.mode.orValue('Terminate') != 'Passthrough'",
    object({ tls: object({ mode: short() }) }),
    {},
    { tls: { mode: "Passthrough" } },
  ],
  [
    "self.cidrs.all(c, isCIDR(c) && cidr(c).ip().family() == 4) && self.cidrs.exists(c, cidr(c).containsIP(self.gateway))",
    object({ cidrs: list(short(43), 8), gateway: short(39) }),
    { cidrs: ["10.0.0.0/8"], gateway: "10.1.1.1" },
    { cidrs: ["10.0.0.0/8"], gateway: "11.1.1.1" },
  ],
])("%s", (rule, schema, good, bad) => {
  const root: SchemaNode = { type: "object", properties: { x: { ...schema, "x-kubernetes-validations": [{ rule }] } } };
  expect(validateStructural(root, "s")).toEqual([]);
  const messages = (x: unknown): string[] =>
    compileSchema(root)
      .validate({ apiVersion: "v1", kind: "X", metadata: {}, x })
      .map((e) => e.message);
  expect(messages(good)).toEqual([]);
  expect(messages(bad)).toEqual([expect.stringContaining(`failed rule: ${rule}`)]);
});
