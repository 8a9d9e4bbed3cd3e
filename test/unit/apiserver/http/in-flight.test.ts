import { expect, it } from "vitest";
import { InFlight } from "../../../../apiserver/http/in-flight.ts";
import { startServer } from "../../../../apiserver/server.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import { ask, user } from "../access/policy-builders.ts";

const BOB = user("bob");
const never = new Promise<never>(() => {});

it("refuses the one too many with 429 and Retry-After, and takes the next when one has ended", async () => {
  const inFlight = new InFlight({ reading: 2, writing: 1 });
  const first = Promise.withResolvers<string>();
  const running = inFlight.run(ask(BOB, "get", "configmaps"), () => first.promise);
  void inFlight.run(ask(BOB, "list", "configmaps"), () => never);
  await expect(inFlight.run(ask(BOB, "get", "configmaps"), async () => "x")).rejects.toMatchObject({
    reason: "TooManyRequests",
    code: 429,
    details: { retryAfterSeconds: 1 },
  });
  first.resolve("done");
  expect(await running).toBe("done");
  expect(await inFlight.run(ask(BOB, "get", "configmaps"), async () => "x")).toBe("x");
});

it("counts writes apart from reads, and what fails as ended", async () => {
  const inFlight = new InFlight({ reading: 1, writing: 1 });
  void inFlight.run(ask(BOB, "list", "configmaps"), () => never);
  await expect(inFlight.run(ask(BOB, "create", "configmaps"), () => Promise.reject(new Error("no")))).rejects.toThrow();
  expect(await inFlight.run(ask(BOB, "patch", "configmaps"), async () => "x")).toBe("x");
});

it.each([
  ["watches, which last", ask(BOB, "watch", "configmaps")],
  ["Leases of hosts", ask(BOB, "update", "leases", { apiGroup: "coordination.k8s.io" })],
  ["administrators", ask(user("root", "system:masters"), "get", "configmaps")],
  ["health and discovery", ask(BOB, "get", "", { resourceRequest: false, path: "/readyz" })],
])("never refuses %s", async (_, attributes) => {
  const inFlight = new InFlight({ reading: 0, writing: 0 });
  expect(await inFlight.run(attributes, async () => "x")).toBe("x");
  await expect(inFlight.run(ask(BOB, "get", "configmaps"), async () => "x")).rejects.toThrow("Too many requests");
});

it("stands at the server's door", async () => {
  const server = await startServer({
    storage: new MemoryStorage(systemClock),
    authorizer: { authorize: async () => ({ allowed: true, reason: "" }) },
    inFlight: { reading: 0, writing: 0 },
  });
  const response = await server.handle({
    method: "GET",
    path: "/api/v1/configmaps",
    query: new URLSearchParams(),
    header: () => undefined,
    credentials: { certificate: { commonName: "bob", organizations: [] }, bearerToken: undefined },
    body: async () => Buffer.alloc(0),
    signal: new AbortController().signal,
    remoteAddress: "127.0.0.1",
  });
  expect([response.status, response.headers["retry-after"]]).toEqual([429, "1"]);
  expect(JSON.parse(response.body as string)).toMatchObject({ kind: "Status", reason: "TooManyRequests" });
  await server.stop();
});
