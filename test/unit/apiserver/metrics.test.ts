import { beforeEach, expect, it } from "vitest";
import { askAs, eventually } from "./lifecycle/world.ts";
import { type Harness, startWithWidgets, widget, WIDGETS } from "./harness.ts";

let harness: Harness;
beforeEach(async () => void (harness = await startWithWidgets()));

/** Values by name and labels, which are sorted: `name{a="1",b="2"}`. */
async function metrics(): Promise<Map<string, number>> {
  const response = await harness.server.handle({
    method: "GET",
    path: "/metrics",
    query: new URLSearchParams(),
    header: () => undefined,
    credentials: { certificate: { commonName: "admin", organizations: ["system:masters"] }, bearerToken: undefined },
    body: async () => Buffer.alloc(0),
    signal: new AbortController().signal,
    remoteAddress: "127.0.0.1",
  });
  expect(response.headers["content-type"]).toContain("text/plain; version=0.0.4");
  const lines = (response.body as string).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const [, name = "", labels = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      const sorted = labels.split(/,(?=\w+=")/).toSorted((a, b) => (a < b ? -1 : 1));
      return [`${name}{${sorted.join(",")}}`, Number(value)];
    }),
  );
}

const request = (labels: Record<string, string>) => {
  const all = {
    group: "example.com",
    resource: "widgets",
    scope: "resource",
    subresource: "",
    version: "v1",
    ...labels,
  };
  const sorted = Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, value]) => `${name}="${value}"`).join(",")}}`;
};

it("counts requests by verb, resource and code, failed ones too, in kube-apiserver's words", async () => {
  await harness.ask("POST", WIDGETS, widget("w"));
  await harness.ask("POST", WIDGETS, widget("w"));
  await harness.ask("GET", `${WIDGETS}/w`);
  await harness.ask("GET", `${WIDGETS}/nobody`);
  await harness.ask("GET", WIDGETS);
  await harness.ask("PATCH", `${WIDGETS}/w/status`, {}, { "content-type": "application/merge-patch+json" });
  const seen = await metrics();
  const total = (labels: Record<string, string>) => seen.get(`apiserver_request_total${request(labels)}`);
  expect(total({ verb: "POST", scope: "namespace", code: "201" })).toBe(1);
  expect(total({ verb: "POST", scope: "namespace", code: "409" })).toBe(1);
  expect(total({ verb: "GET", code: "200" })).toBe(1);
  expect(total({ verb: "GET", code: "404" })).toBe(1);
  expect(total({ verb: "LIST", scope: "namespace", code: "200" })).toBe(1);
  expect(total({ verb: "PATCH", subresource: "status", code: "200" })).toBe(1);
  expect(seen.get(`apiserver_request_duration_seconds_count${request({ verb: "GET" })}`)).toBe(2);
});

it("what others make up becomes no label", async () => {
  for (const [method, path] of [
    ["GET", "/apis/made.up/v1/things"],
    ["BREW", `${WIDGETS}/w`],
    ["GET", `${WIDGETS}/w/made-up`],
    ["GET", "/made/up"],
  ] as const) {
    await harness.ask(method, path);
  }
  const names = [...(await metrics()).keys()].filter((name) => name.startsWith("apiserver_"));
  expect(names.filter((name) => /made|BREW|things/i.test(name))).toEqual([]);
  expect(names.some((name) => name.includes('verb="OTHER"'))).toBe(true);
});

it("counts what is stored and what is watched, up and down", async () => {
  await harness.ask("POST", WIDGETS, widget("w"));
  await harness.ask("POST", WIDGETS, widget("x"));
  await eventually(async () =>
    expect((await metrics()).get('apiserver_storage_objects{resource="widgets.example.com"}')).toBe(2),
  );
  const watches = async () =>
    (await metrics()).get(`apiserver_longrunning_requests${request({ verb: "WATCH", scope: "namespace" })}`) ?? 0;
  const stop = new AbortController();
  const lines: string[] = [];
  const reading = (async () => {
    for await (const chunk of await harness.stream(`${WIDGETS}?watch=1`, stop.signal)) lines.push(chunk.toString());
  })();
  await eventually(async () => expect(await watches()).toBe(1));
  stop.abort();
  await reading;
  expect(lines.join("")).toContain('"name":"x"');
  expect(await watches()).toBe(0);
  await harness.ask("DELETE", `${WIDGETS}/w`);
  await eventually(async () =>
    expect((await metrics()).get('apiserver_storage_objects{resource="widgets.example.com"}')).toBe(1),
  );
});

it("measures the store, and what is being answered right now: this request", async () => {
  await harness.ask("GET", `${WIDGETS}/w`);
  const seen = await metrics();
  expect(seen.get('etcd_request_duration_seconds_count{operation="get"}')).toBeGreaterThan(0);
  expect(seen.get('apiserver_current_inflight_requests{request_kind="readOnly"}')).toBe(1);
  expect(seen.get("process_resident_memory_bytes{}")).toBeGreaterThan(0);
});

it("is not for everybody", async () => {
  expect((await askAs(harness.server, {}, "GET", "/metrics")).status).toBe(403);
});
