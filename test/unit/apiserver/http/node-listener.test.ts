import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttp1 } from "node:https";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { ensurePki, type Pki } from "../../../../apiserver/access/pki/ensure-pki.ts";
import type { HttpRequest } from "../../../../apiserver/http/exchange.ts";
import { type Listener, listen } from "../../../../apiserver/http/node-listener.ts";
import { ApiError } from "../../../../apiserver/status.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import { VirtualClock } from "../../../../machinery/virtual-clock.ts";

let directory: string;
let pki: Pki;
let clock: VirtualClock;
let listener: Listener;
/** Resolves when a request is with the handler. */
let arrived: Promise<void>;
/** What the handler decided. */
let handled: number | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ferrite-listener-"));
  const serverNames = ["localhost"];
  pki = await ensurePki({
    directory: join(directory, "pki"),
    serverNames,
    serverUrl: "https://x:1",
    clock: systemClock,
  });
});
afterAll(() => rm(directory, { recursive: true }));

beforeEach(async () => {
  clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  arrived = promise;
  handled = undefined;
  listener = await listen({
    host: "127.0.0.1",
    port: 0,
    clock,
    onError: (error) => expect.unreachable(String(error)),
    tls: { key: pki.server.keyPem, certificate: pki.server.certificatePem, clientCa: pki.authority.certificatePem },
    async handle(request: HttpRequest) {
      const answer = request.path === "/reads" ? read(request) : Promise.resolve(401);
      resolve();
      handled = await answer;
      return { status: handled, headers: {}, body: "" };
    },
  });
});
afterEach(() => listener.close(0));

const read = ({ body }: HttpRequest): Promise<number> =>
  body().then(
    () => 200,
    (error: unknown) => (error instanceof ApiError ? error.code : 0),
  );

/** Sends the first half of a body and no more; the status of the answer when it comes. */
const clients = {
  "HTTP/1.1": (path: string) => {
    const options = {
      port: listener.port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: pki.authority.certificatePem,
    };
    const request = requestHttp1({ ...options, path, method: "POST", headers: { "content-length": 10 } });
    request.on("error", () => {});
    request.write("half");
    return once(request, "response").then(([response]) => response.statusCode as number);
  },
  "HTTP/2": (path: string) => {
    const session = connectHttp2(`https://localhost:${listener.port}`, { ca: pki.authority.certificatePem });
    session.on("error", () => {});
    const stream = session.request({ ":method": "POST", ":path": path });
    stream.on("error", () => {});
    stream.write("half");
    return once(stream, "response").then(([headers]) => headers[":status"] as number);
  },
};

it.each(["HTTP/1.1", "HTTP/2"] as const)("waits a minute for a body, no longer (%s)", async (protocol) => {
  const answer = clients[protocol]("/reads");
  await arrived;
  await clock.advance(59_000);
  expect(handled).toBeUndefined();
  await clock.advance(1000);
  expect(handled).toBe(504);
  await clock.advance(5000);
  expect(await answer).toBe(504);
});

it.each(["HTTP/1.1", "HTTP/2"] as const)(
  "holds no refusal back for a body that does not come (%s)",
  async (protocol) => {
    const answer = clients[protocol]("/refused");
    await arrived;
    await clock.advance(4000);
    // It still waits for the other half.
    expect(clock.pending).toBe(1);
    await clock.advance(1000);
    expect(await answer).toBe(401);
  },
);
