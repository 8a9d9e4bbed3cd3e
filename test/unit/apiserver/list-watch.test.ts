import { describe, expect, it } from "vitest";
import type { Status } from "../../../apiserver/status.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Harness, startWithWidgets, WIDGETS, widget } from "./harness.ts";

interface List {
  kind: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: KubeObject[];
}

interface Event {
  type: string;
  object: KubeObject & Status;
}

const MERGE = { "content-type": "application/merge-patch+json" };
const names = ({ items }: List): (string | undefined)[] => items.map(({ metadata }) => metadata.name);

async function withWidgets(...made: readonly string[]): Promise<Harness> {
  const harness = await startWithWidgets();
  for (const name of made)
    await harness.ask("POST", WIDGETS, widget(name, { size: 1, color: name < "c" ? "red" : "blue" }));
  return harness;
}

/** Collects events until there are `count`, then ends the watch. */
async function collect(
  { stream }: Harness,
  target: string,
  count: number,
  meanwhile = async () => {},
): Promise<Event[]> {
  const stop = new AbortController();
  const events: Event[] = [];
  const body = await stream(target, stop.signal);
  const changing = meanwhile();
  for await (const chunk of body) {
    for (const line of chunk.toString().trimEnd().split("\n")) events.push(JSON.parse(line) as Event);
    if (events.length >= count) stop.abort();
  }
  await changing;
  return events;
}

const tokenOf = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const brief = (events: readonly Event[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata.name ?? object.reason}`);

describe("list", () => {
  it("pages at one revision, whatever happens in between", async () => {
    const { ask } = await withWidgets("a", "b", "c", "d");
    const { body: first } = await ask<List>("GET", `${WIDGETS}?limit=2`);
    expect(names(first)).toEqual(["a", "b"]);
    expect(first.metadata.remainingItemCount).toBe(2);
    await ask("DELETE", `${WIDGETS}/c`);
    await ask("POST", WIDGETS, widget("bb"));
    const { body: second } = await ask<List>("GET", `${WIDGETS}?limit=2&continue=${first.metadata.continue}`);
    expect(names(second)).toEqual(["c", "d"]);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(second.metadata.continue).toBeUndefined();
  });

  it("fills pages with what a selector leaves, and does not guess how much remains", async () => {
    const { ask } = await withWidgets("a", "b", "c", "d");
    const { body } = await ask<List>("GET", `${WIDGETS}?limit=1&fieldSelector=spec.color%3Dblue`);
    expect(names(body)).toEqual(["c"]);
    expect(body.metadata.remainingItemCount).toBeUndefined();
    const { body: next } = await ask<List>(
      "GET",
      `${WIDGETS}?limit=5&fieldSelector=spec.color%3Dblue&continue=${body.metadata.continue}`,
    );
    expect(names(next)).toEqual(["d"]);
  });

  it("goes on inconsistently after a compaction, when the client wants that", async () => {
    const { ask, storage } = await withWidgets("a", "b", "c");
    const { body: first } = await ask<List>("GET", `${WIDGETS}?limit=1`);
    await ask("POST", WIDGETS, widget("bb"));
    await storage.compact(await storage.currentRevision());
    const { status, body: expired } = await ask<Status>(
      "GET",
      `${WIDGETS}?limit=5&continue=${first.metadata.continue}`,
    );
    expect(status).toBe(410);
    expect(expired.reason).toBe("Expired");
    const { body: rest } = await ask<List>(
      "GET",
      `${WIDGETS}?limit=5&continue=${String(expired.metadata["continue"])}`,
    );
    expect(names(rest)).toEqual(["b", "bb", "c"]);
  });

  it("reads an exact revision, refuses one of the future and rules that make no sense", async () => {
    const { ask } = await withWidgets("a");
    const { body } = await ask<List>("GET", WIDGETS);
    const before = body.metadata.resourceVersion;
    await ask("POST", WIDGETS, widget("b"));
    const exact = await ask<List>("GET", `${WIDGETS}?resourceVersion=${before}&resourceVersionMatch=Exact`);
    expect(names(exact.body)).toEqual(["a"]);
    const future = await ask<Status>("GET", `${WIDGETS}?resourceVersion=999999&resourceVersionMatch=Exact`);
    expect(future.status).toBe(504);
    expect(future.body.details?.causes?.[0]?.reason).toBe("ResourceVersionTooLarge");
    for (const query of [
      "resourceVersionMatch=Exact",
      "resourceVersion=0&resourceVersionMatch=Exact",
      "resourceVersion=x",
      "sendInitialEvents=true",
      "resourceVersion=1&resourceVersionMatch=Often",
    ]) {
      expect((await ask("GET", `${WIDGETS}?${query}`)).status, query).toBe(422);
    }
    for (const query of [
      "limit=many",
      "limit=1.5",
      "timeoutSeconds=x",
      "timeoutSeconds=1.5",
      "continue=nonsense",
      "labelSelector=a%20b",
      "fieldSelector=spec.size%3D1",
    ]) {
      expect((await ask("GET", `${WIDGETS}?${query}`)).status, query).toBe(400);
    }
  });

  it("takes any whole number of seconds, which no list needs", async () => {
    const { ask } = await withWidgets();
    for (const seconds of ["", "0", "5", "-1"]) {
      expect((await ask("GET", `${WIDGETS}?timeoutSeconds=${seconds}`)).status, seconds).toBe(200);
    }
  });

  it.each([
    ["!", "continue key is not valid: it is not base64url"],
    ["nonsense", "continue key is not valid: it does not hold JSON"],
    [tokenOf({}), "continue key is not valid: server does not recognize this encoded version undefined"],
    [
      tokenOf({ v: "meta.k8s.io/v1", rv: 0, start: "a" }),
      "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
    ],
    [
      tokenOf({ v: "meta.k8s.io/v1", rv: 1 }),
      "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
    ],
    [tokenOf({ v: "meta.k8s.io/v1", rv: 1, start: "../x" }), "continue key is not valid: ../x"],
  ])("says what is wrong with a token: %s", async (token, why) => {
    const { ask } = await withWidgets();
    const { status, body } = await ask<Status>("GET", `${WIDGETS}?limit=1&continue=${encodeURIComponent(token)}`);
    expect([status, body.message]).toEqual([400, `invalid continue token: ${why}`]);
  });

  it("shows metadata only, or a table, when asked", async () => {
    const { ask } = await withWidgets("a");
    const as = (form: string) => ({ accept: `application/json;as=${form};g=meta.k8s.io;v=v1` });
    const { body: partial } = await ask<List>("GET", WIDGETS, undefined, as("PartialObjectMetadataList"));
    expect(partial.kind).toBe("PartialObjectMetadataList");
    expect(Object.keys(partial.items[0] ?? {}).sort()).toEqual(["apiVersion", "kind", "metadata"]);
    const { body: table } = await ask<{ rows: { cells: unknown[] }[] }>("GET", WIDGETS, undefined, as("Table"));
    expect(table.rows[0]?.cells[0]).toBe("a");
    expect((await ask("GET", WIDGETS, undefined, { accept: "text/html" })).status).toBe(406);
  });
});

describe("watch", () => {
  it("begins with the present state, goes on with changes, in order", async () => {
    const harness = await withWidgets("a", "b");
    const events = await collect(harness, `${WIDGETS}?watch=1`, 5, async () => {
      await harness.ask("PATCH", `${WIDGETS}/a`, { spec: { size: 2 } }, MERGE);
      await harness.ask("POST", WIDGETS, widget("c"));
      await harness.ask("DELETE", `${WIDGETS}/b`);
    });
    expect(brief(events)).toEqual(["ADDED a", "ADDED b", "MODIFIED a", "ADDED c", "DELETED b"]);
    const revisions = events.slice(2).map(({ object }) => Number(object.metadata.resourceVersion));
    expect(revisions).toEqual(revisions.toSorted((x, y) => x - y));
  });

  it("from a revision shows what came after it, though it is over", async () => {
    const harness = await withWidgets("a");
    const { body } = await harness.ask<List>("GET", WIDGETS);
    await harness.ask("PATCH", `${WIDGETS}/a`, { spec: { size: 2 } }, MERGE);
    await harness.ask("DELETE", `${WIDGETS}/a`);
    const events = await collect(harness, `${WIDGETS}?watch=1&resourceVersion=${body.metadata.resourceVersion}`, 2);
    expect(brief(events)).toEqual(["MODIFIED a", "DELETED a"]);
  });

  it("says Expired, and ends, when the revision is compacted away", async () => {
    const harness = await withWidgets("a");
    const { body } = await harness.ask<List>("GET", WIDGETS);
    for (let n = 0; n < 3; n += 1) await harness.ask("PATCH", `${WIDGETS}/a`, { spec: { size: n + 5 } }, MERGE);
    await harness.storage.compact(await harness.storage.currentRevision());
    // Another server has nothing of it in memory.
    const { startHarness } = await import("./harness.ts");
    const fresh = await startHarness(harness.storage);
    const events = await collect(fresh, `${WIDGETS}?watch=1&resourceVersion=${body.metadata.resourceVersion}`, 9);
    expect(events).toMatchObject([{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }]);
  });

  it("lets objects enter and leave a selection", async () => {
    const harness = await withWidgets("a");
    const target = `${WIDGETS}?watch=1&labelSelector=tier%3Dgold`;
    const events = await collect(harness, target, 3, async () => {
      for (const tier of ["gold", "silver", "gold"]) {
        await harness.ask("PATCH", `${WIDGETS}/a`, { metadata: { labels: { tier } } }, MERGE);
      }
    });
    expect(brief(events)).toEqual(["ADDED a", "DELETED a", "ADDED a"]);
    expect(events[1]?.object.metadata.labels).toEqual({ tier: "gold" });
    expect(Number(events[1]?.object.metadata.resourceVersion)).toBeGreaterThan(
      Number(events[0]?.object.metadata.resourceVersion),
    );
  });

  it("sends the initial state as a streaming list, ended by a bookmark", async () => {
    const harness = await withWidgets("a");
    const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const [added, bookmark] = await collect(harness, `${WIDGETS}?${query}`, 2);
    expect(added).toMatchObject({ type: "ADDED", object: { metadata: { name: "a" } } });
    expect(bookmark?.type).toBe("BOOKMARK");
    expect(bookmark?.object).toEqual({
      kind: "Widget",
      apiVersion: "example.com/v1",
      metadata: {
        resourceVersion: expect.stringMatching(/^\d+$/),
        annotations: { "k8s.io/initial-events-end": "true" },
      },
    });
    expect((await harness.ask("GET", `${WIDGETS}?watch=1&sendInitialEvents=true`)).status).toBe(422);
  });

  it("ends after timeoutSeconds without an error", async () => {
    const harness = await withWidgets("a");
    expect(brief(await collect(harness, `${WIDGETS}?watch=1&timeoutSeconds=1`, 99))).toEqual(["ADDED a"]);
  });

  it("ends when its kind goes", async () => {
    const harness = await withWidgets();
    const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    const events = await collect(harness, `${WIDGETS}?watch=1`, 99, async () => {
      await harness.ask("DELETE", crd);
    });
    expect(events).toEqual([]);
  });
});
