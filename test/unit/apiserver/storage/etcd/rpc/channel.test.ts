import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Channel } from "../../../../../../apiserver/storage/etcd/rpc/channel.ts";
import { frame } from "../../../../../../apiserver/storage/etcd/rpc/frames.ts";
import { VirtualClock } from "../../../../../../machinery/virtual-clock.ts";

let directory: string;
let path: string;
let server: Http2Server | undefined;
let sessions: ServerHttp2Session[];
let clock: VirtualClock;
let channel: Channel;
/** What the server does with a call. */
let answer: (stream: ServerHttp2Stream) => void;

const REQUEST = frame((writer) => writer.uint32(8).uint32(1));
const OK = { ":status": 200, "content-type": "application/grpc" };
const call = () => channel.unary("/a.B/C", REQUEST, 1000);
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error: unknown) => error,
  );

function respond(stream: ServerHttp2Stream, messages: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond(OK, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const message of messages) stream.write(message);
  stream.end();
}

async function listen(): Promise<void> {
  sessions = [];
  server = createServer();
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.resume();
    answer(stream);
  });
  server.listen(path);
  await once(server, "listening");
}

async function stop(): Promise<void> {
  const stopped = server;
  server = undefined;
  if (stopped === undefined) return;
  const closed = once(stopped, "close");
  stopped.close();
  for (const session of sessions) session.destroy();
  await closed;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "ferrite-rpc-"));
  path = join(directory, "s");
  clock = new VirtualClock();
  channel = new Channel({ endpoint: `unix:${path}`, clock });
  await listen();
});
afterEach(async () => {
  channel.close();
  await stop();
  rmSync(directory, { recursive: true });
});

it("gives the message of an answer, and leaves no timer of a call behind", async () => {
  answer = (stream) => respond(stream, [frame((writer) => writer.string("hello"))], { "grpc-status": "0" });
  expect((await call()).toString("latin1", 1)).toBe("hello");
  const timers = clock.pending;
  await Promise.all(Array.from({ length: 50 }, call));
  expect(clock.pending).toBe(timers);
});

it.each([
  [
    "in the trailers",
    (stream: ServerHttp2Stream) => respond(stream, [], { "grpc-status": "11", "grpc-message": "a%20b" }),
  ],
  [
    "in the only headers",
    (stream: ServerHttp2Stream) => {
      stream.respond({ ...OK, "grpc-status": "11", "grpc-message": "a b" }, { endStream: true });
    },
  ],
])("tells what the other side refuses: %s", async (_, how) => {
  answer = how;
  expect(await failure(call())).toMatchObject({ status: "OUT_OF_RANGE", message: "OUT_OF_RANGE: a b", sent: true });
});

it("knows what was never sent: nobody listens", async () => {
  await stop();
  expect(await failure(call())).toMatchObject({ status: "UNAVAILABLE", sent: false });
  await listen();
  answer = (stream) => respond(stream, [frame(() => {})], { "grpc-status": "0" });
  expect(await call()).toHaveLength(0);
});

it("knows what was never sent: the other side takes the connection and says nothing", async () => {
  await stop();
  const silent: Server = createTcpServer((socket) => socket.on("error", () => {}));
  silent.listen(path);
  await once(silent, "listening");
  const failed = failure(call());
  await once(silent, "connection");
  await clock.advance(1000);
  expect(await failed).toMatchObject({ status: "DEADLINE_EXCEEDED", sent: false });
  const stream = failure(channel.stream("/a.B/C"));
  await clock.advance(5000);
  expect(await stream).toMatchObject({ status: "UNAVAILABLE", sent: false });
  channel.close();
  silent.close();
});

it("does not know what became of a call that was cut, or came to no answer in time", async () => {
  answer = () => sessions[0]?.destroy();
  expect(await failure(call())).toMatchObject({ status: "UNAVAILABLE", sent: true });
  const arrived = new Promise<void>((resolve) => {
    answer = () => resolve();
  });
  const failed = failure(call());
  await arrived;
  await clock.advance(1000);
  expect(await failed).toMatchObject({ status: "DEADLINE_EXCEEDED", sent: true });
});

it("knows that a refused stream has done nothing", async () => {
  answer = (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM);
  expect(await failure(call())).toMatchObject({ status: "UNAVAILABLE", sent: false });
});

it("reads a stream message by message, and ends with its status", async () => {
  answer = (stream) =>
    respond(
      stream,
      ["a", "b", "c"].map((text) => frame((writer) => writer.string(text))),
      { "grpc-status": "5", "grpc-message": "gone" },
    );
  const stream = await channel.stream("/a.B/C");
  const read: string[] = [];
  const failed = await failure(
    (async () => {
      for await (const messages of stream.messages()) read.push(...messages.map((each) => each.toString("latin1", 1)));
    })(),
  );
  expect(read).toEqual(["a", "b", "c"]);
  expect(failed).toMatchObject({ status: "NOT_FOUND", message: "NOT_FOUND: gone" });
});

it("ends a stream that is given up", async () => {
  answer = (stream) => stream.respond(OK);
  const stream = await channel.stream("/a.B/C");
  const read = stream.messages().next();
  stream.close();
  expect(await read).toEqual({ value: undefined, done: true });
});
