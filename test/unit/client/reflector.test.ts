import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { httpsTransport } from "../../../client/https-transport.ts";
import { Reflector, type ReflectorOptions, type Sight } from "../../../client/reflector.ts";
import type { ApiObject } from "../../../client/api-object.ts";
import type { ResourceType } from "../../../machinery/resource-type.ts";
import { RestClient } from "../../../client/rest.ts";
import type { Change } from "../../../client/store.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { type Exchange, ScriptedServer, sendJson, sendStatus } from "./scripted-server.ts";

interface Widget extends ApiObject {
  spec?: { text: string };
}
const widgets: ResourceType<Widget> = {
  group: "example.com",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};
const widget = (name: string, resourceVersion: number, uid = name): Widget => ({
  metadata: { namespace: "ns", name, uid, resourceVersion: String(resourceVersion) },
});

let server: ScriptedServer;
let stop: AbortController;
let running: Promise<void>[] = [];
let close: () => void;
/** Watches that the server holds open. */
let open: ServerResponse[] = [];

beforeEach(async () => {
  server = await ScriptedServer.start();
  stop = new AbortController();
  open = [];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(running);
  running = [];
  close();
  await server.stop();
});

interface Followed {
  readonly reflector: Reflector<Widget>;
  readonly changes: string[];
  readonly sights: Sight["kind"][];
}

const told = (change: Change<Widget>) =>
  `${change.kind} ${change.object.metadata.name}/${change.object.metadata.uid}@${change.object.metadata.resourceVersion}`;

function follow(options: Partial<ReflectorOptions<Widget>> = {}): Followed {
  const { transport, close: closeTransport } = httpsTransport(server.connection);
  close = closeTransport;
  const reflector = new Reflector<Widget>({
    client: new RestClient({ transport, clock: systemClock, timeoutMs: 2000 }),
    type: widgets,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    backoff: { baseMs: 5, maxMs: 20 },
    ...options,
  });
  const changes: string[] = [];
  const sights: Sight["kind"][] = [];
  reflector.onChange((change) => changes.push(told(change)));
  reflector.onSight((sight) => {
    if (sights.at(-1) !== sight.kind) sights.push(sight.kind);
  });
  running.push(reflector.run(stop.signal));
  return { reflector, changes, sights };
}

const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
const bookmark = (resourceVersion: number, end = false) =>
  event("BOOKMARK", {
    metadata: {
      resourceVersion: String(resourceVersion),
      ...(end ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
    },
  });

/** A server without streaming lists: a list, then watches that stay open. */
function listAndWatch(items: () => Widget[], revision: () => number, onWatch?: (exchange: Exchange) => void) {
  server.handler = (exchange) => {
    const { response, url } = exchange;
    if (url.searchParams.has("sendInitialEvents")) return sendStatus(response, 422, "Invalid");
    if (!url.searchParams.has("watch"))
      return sendJson(response, 200, { items: items(), metadata: { resourceVersion: String(revision()) } });
    response.writeHead(200).flushHeaders();
    open.push(response);
    onWatch?.(exchange);
  };
}

const watchesFrom = () =>
  server.asked
    .filter((line) => line.includes("watch=true") && !line.includes("sendInitialEvents"))
    .map((line) => new URL(line.split(" ")[1]!, "https://x").searchParams.get("resourceVersion"));
const lists = () => server.asked.filter((line) => !line.includes("watch=true")).length;

it("uses a streaming list and goes on with the same watch", async () => {
  server.handler = ({ response, url }) => {
    expect(url.searchParams.get("resourceVersionMatch")).toBe("NotOlderThan");
    response.writeHead(200);
    response.write(event("ADDED", widget("a", 1)) + event("ADDED", widget("b", 2)) + event("ADDED", widget("c", 3)));
    response.write(event("MODIFIED", widget("a", 4)) + event("DELETED", widget("b", 5)));
    open.push(response);
  };
  const { reflector, changes, sights } = follow();
  await vi.waitFor(() => expect(open).toHaveLength(1));
  expect(reflector.hasListed).toBe(false);
  open[0]!.write(bookmark(5, true));
  await reflector.whenListed();
  open[0]!.write(event("MODIFIED", widget("c", 6)));
  await vi.waitFor(() => expect(changes).toEqual(["added a/a@4", "added c/c@3", "updated c/c@6"]));
  expect(sights).toEqual(["blind", "synced"]);
  expect(server.asked).toHaveLength(1);
});

it("falls back to a list where streaming lists are refused, and asks for them once", async () => {
  listAndWatch(
    () => [widget("a", 1)],
    () => 10,
  );
  const { reflector, changes } = follow();
  await vi.waitFor(() => expect(reflector.sight.kind).toBe("synced"));
  open[0]!.end(); // short: a failure, so the next one comes after a pause
  await vi.waitFor(() => expect(watchesFrom()).toEqual(["10", "10"]));
  expect(server.asked.filter((line) => line.includes("sendInitialEvents"))).toHaveLength(1);
  expect(changes).toEqual(["added a/a@1"]);
});

it("falls back to a list when a server ignores sendInitialEvents and never ends the state", async () => {
  server.handler = ({ response, url }) => {
    if (!url.searchParams.has("watch"))
      return sendJson(response, 200, { items: [widget("a", 1)], metadata: { resourceVersion: "3" } });
    response.writeHead(200);
    if (url.searchParams.has("sendInitialEvents")) response.write(event("ADDED", widget("a", 1)) + bookmark(3));
    else response.flushHeaders();
  };
  const { reflector, changes } = follow();
  await reflector.whenListed();
  expect(changes).toEqual(["added a/a@1"]);
  expect(lists()).toBe(1);
});

describe("after a cut", () => {
  it("goes on after the last event, bookmarks included", async () => {
    listAndWatch(
      () => [],
      () => 10,
    );
    const { changes, reflector, sights } = follow();
    await vi.waitFor(() => expect(open).toHaveLength(1));
    open[0]!.write(event("ADDED", widget("a", 11)) + bookmark(20));
    await vi.waitFor(() => expect(changes).toEqual(["added a/a@11"]));
    open[0]!.destroy();
    await vi.waitFor(() => expect(open).toHaveLength(2));
    open[1]!.write(event("DELETED", widget("a", 21)));
    await vi.waitFor(() => expect(changes).toEqual(["added a/a@11", "deleted a/a@21"]));
    expect(watchesFrom()).toEqual(["10", "20"]);
    expect(lists()).toBe(1);
    expect(reflector.sight.kind).toBe("synced");
    expect(sights).toEqual(["blind", "synced", "blind", "synced"]);
  });

  it("drops a half line and half a character, and takes the whole event from the next watch", async () => {
    listAndWatch(
      () => [],
      () => 10,
    );
    const { changes, reflector } = follow();
    await vi.waitFor(() => expect(open).toHaveLength(1));
    const line = Buffer.from(event("ADDED", { ...widget("a", 11), spec: { text: "größe" } }));
    const inCharacter = line.indexOf(Buffer.from("ö")) + 1;
    open[0]!.write(line.subarray(0, inCharacter), () => open[0]!.destroy());
    await vi.waitFor(() => expect(open).toHaveLength(2));
    expect(watchesFrom()).toEqual(["10", "10"]);
    // Now slowly, byte by byte.
    for (const byte of line) open[1]!.write(Buffer.of(byte));
    await vi.waitFor(() => expect(changes).toEqual(["added a/a@11"]));
    expect(reflector.cache.get("ns", "a")?.spec?.text).toBe("größe");
  });

  it("lives through a restart of the server and says that it is blind meanwhile", async () => {
    listAndWatch(
      () => [widget("a", 1)],
      () => 10,
    );
    const { reflector, changes } = follow();
    await vi.waitFor(() => expect(reflector.sight.kind).toBe("synced"));
    const before = systemClock.monotonicMs();
    await server.stop();
    await vi.waitFor(() =>
      expect(reflector.sight).toMatchObject({ kind: "blind", why: expect.stringMatching(/refused/i) }),
    );
    expect(reflector.sight.sinceMs).toBeLessThanOrEqual(before);
    expect(reflector.cache.size).toBe(1);
    await server.listen();
    await vi.waitFor(() => expect(reflector.sight.kind).toBe("synced"));
    expect(reflector.sight.sinceMs).toBeGreaterThan(before);
    expect(changes).toEqual(["added a/a@1"]);
  });

  it("tears down a watch that is silent", async () => {
    listAndWatch(
      () => [],
      () => 10,
    );
    const { reflector } = follow({ silenceMs: 60 });
    await vi.waitFor(() => expect(open.length).toBeGreaterThanOrEqual(2));
    await vi.waitFor(() => expect(open[0]!.destroyed).toBe(true));
    expect(lists()).toBe(1);
    expect(reflector.hasListed).toBe(true);
  });

  it("keeps a watch alive that brings bookmarks only", async () => {
    listAndWatch(
      () => [],
      () => 10,
    );
    follow({ silenceMs: 150 });
    await vi.waitFor(() => expect(open).toHaveLength(1));
    let revision = 11;
    const timer = setInterval(() => open[0]!.write(bookmark(revision++)), 20);
    await vi.waitFor(() => expect(revision).toBeGreaterThan(30), { timeout: 5000 });
    clearInterval(timer);
    expect(open).toHaveLength(1);
  });
});

describe("a list after lost history", () => {
  it.each([
    [
      "an ERROR event",
      (response: ServerResponse) => void response.end(event("ERROR", { kind: "Status", code: 410, reason: "Expired" })),
    ],
    [
      "an ERROR event on a stream left open",
      (response: ServerResponse) =>
        void response.write(event("ERROR", { kind: "Status", code: 410, reason: "Expired" })),
    ],
    ["garbage", (response: ServerResponse) => void response.write("%$§!\n")],
    [
      "an event without revision",
      (response: ServerResponse) => void response.write(event("ADDED", { metadata: { name: "x" } })),
    ],
    [
      "a revision that goes back (the store was restored)",
      (response: ServerResponse) => void response.write(bookmark(3)),
    ],
  ])("tells the deletes that were missed: %s", async (_, spoil) => {
    let items = [widget("a", 1), widget("b", 2), widget("c", 3, "c-old")];
    listAndWatch(
      () => items,
      () => 10,
    );
    const { changes, reflector } = follow();
    await vi.waitFor(() => expect(open).toHaveLength(1));
    items = [widget("b", 12), widget("c", 13, "c-new"), widget("d", 14)];
    spoil(open[0]!);
    await vi.waitFor(() => expect(open).toHaveLength(2));
    expect(changes.slice(3)).toEqual([
      "deleted a/a@1",
      "updated b/b@12",
      "deleted c/c-old@3",
      "added c/c-new@13",
      "added d/d@14",
    ]);
    expect(new Set(reflector.cache.list().map((object) => object.metadata.name))).toEqual(new Set(["b", "c", "d"]));
    expect(open[0]!.destroyed || open[0]!.writableEnded).toBe(true);
  });

  it("also when the refusal is an HTTP status", async () => {
    let gone = false;
    listAndWatch(
      () => [widget("a", 1)],
      () => 10,
    );
    const usual = server.handler;
    server.handler = (exchange) => {
      if (gone && exchange.url.searchParams.has("watch")) {
        gone = false;
        return sendStatus(exchange.response, 410, "Expired");
      }
      usual(exchange);
    };
    const { changes } = follow();
    await vi.waitFor(() => expect(open).toHaveLength(1));
    gone = true;
    open[0]!.destroy();
    await vi.waitFor(() => expect(lists()).toBe(2));
    await vi.waitFor(() => expect(open).toHaveLength(2));
    expect(changes).toEqual(["added a/a@1"]);
  });
});

it("tells a deletion and an addition when another object took the name", async () => {
  listAndWatch(
    () => [widget("a", 1, "first")],
    () => 10,
  );
  const { changes } = follow();
  await vi.waitFor(() => expect(open).toHaveLength(1));
  // The DELETED of the first comes late: it must not remove the second.
  open[0]!.write(event("MODIFIED", widget("a", 11, "second")) + event("DELETED", widget("a", 12, "first")));
  open[0]!.write(event("MODIFIED", widget("a", 13, "second")));
  await vi.waitFor(() =>
    expect(changes).toEqual(["added a/first@1", "deleted a/first@1", "added a/second@11", "updated a/second@13"]),
  );
});

it.each([429, 500, 503])("never gives up on a list that is answered with %i", async (code) => {
  let refusals = 3;
  listAndWatch(
    () => [widget("a", 1)],
    () => 10,
  );
  const usual = server.handler;
  server.handler = (exchange) => {
    if (refusals-- > 0) return sendStatus(exchange.response, code, "Nope");
    usual(exchange);
  };
  const { reflector } = follow();
  expect(reflector.sight.kind).toBe("blind");
  await reflector.whenListed();
  expect(reflector.cache.size).toBe(1);
});

it("hands out objects that cannot be changed, and lives on when a listener throws", async () => {
  listAndWatch(
    () => [{ ...widget("a", 1), spec: { text: "x" } }],
    () => 10,
  );
  const { reflector, changes } = follow();
  let calls = 0;
  reflector.onChange(({ object }) => {
    calls += 1;
    (object.spec as { text: string }).text = "y";
  });
  await vi.waitFor(() => expect(open).toHaveLength(1));
  open[0]!.write(event("MODIFIED", { ...widget("a", 11), spec: { text: "z" } }));
  await vi.waitFor(() => expect(changes).toHaveLength(2));
  expect(calls).toBe(2);
  expect(reflector.cache.get("ns", "a")?.spec?.text).toBe("z");
});

it("finds objects by index as they change", async () => {
  listAndWatch(
    () => [
      { ...widget("a", 1), spec: { text: "x" } },
      { ...widget("b", 1), spec: { text: "x" } },
    ],
    () => 10,
  );
  const { reflector, changes } = follow({ indexers: { text: (object) => [object.spec?.text ?? ""] } });
  await vi.waitFor(() => expect(open).toHaveLength(1));
  open[0]!.write(event("MODIFIED", { ...widget("a", 11), spec: { text: "y" } }) + event("DELETED", widget("b", 12)));
  await vi.waitFor(() => expect(changes).toHaveLength(4));
  expect(reflector.cache.byIndex("text", "x")).toEqual([]);
  expect(reflector.cache.byIndex("text", "y")).toHaveLength(1);
  expect(() => reflector.cache.byIndex("other", "y")).toThrow("no index named other");
});
