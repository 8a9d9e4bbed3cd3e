/**
 * Hands connections on, byte for byte: node relay.ts FROM TO, each `tcp:HOST:PORT` or `unix:PATH`. Two of them carry the
 * guests' API connections out of the lab's network namespace: TCP inside -> unix socket -> loopback port outside.
 */
import { rmSync } from "node:fs";
import { createConnection, createServer, type NetConnectOpts, type Socket } from "node:net";

function endpoint(text: string): NetConnectOpts {
  const [kind, host, port] = text.split(":");
  if (kind === "unix" && host) return { path: text.slice("unix:".length) };
  if (kind === "tcp" && host && port) return { host, port: Number(port) };
  throw new Error(`relay: "${text}" is neither tcp:HOST:PORT nor unix:PATH`);
}

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error("usage: relay.ts FROM TO");
const listen = endpoint(from);
const target = endpoint(to);

const server = createServer({ allowHalfOpen: true }, (inbound) => {
  const outbound = createConnection({ ...target, allowHalfOpen: true });
  inbound.pipe(outbound);
  outbound.pipe(inbound);
  // A reset on one side is a reset on the other: a half-dead connection must not look alive.
  inbound.on("error", () => reset(outbound, target));
  outbound.on("error", () => reset(inbound, listen));
  inbound.on("close", () => outbound.destroy());
  outbound.on("close", () => inbound.destroy());
});
if ("path" in listen) rmSync(listen.path, { force: true });
server.listen(listen);

/** Unix sockets know no reset, and throw when asked for one. */
function reset(socket: Socket, end: NetConnectOpts): void {
  if ("path" in end) socket.destroy();
  else socket.resetAndDestroy();
}
