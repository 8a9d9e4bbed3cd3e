/**
 * Opens connections to a server in each state that a client can lose its power in, says `open`, and goes on for ever: a test
 * stops this process by SIGSTOP. `node half-dead-clients-process.ts PORT PKI-DIRECTORY`.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";

const [port = "", directory = ""] = process.argv.slice(2);
const pki = (name: string) => readFileSync(join(directory, name));
const tls = { host: "127.0.0.1", port: Number(port), ca: pki("ca.crt"), cert: pki("admin.crt"), key: pki("admin.key") };

const noHandshake = connectTcp(Number(port), "127.0.0.1");
const noRequest = connectTls(tls);
const halfBody = connectTls(tls);
const head = "POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n";
halfBody.write(`${head}\r\n{`);
const watch = connectTls(tls);
watch.write("GET /api/v1/configmaps?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n");
const session = connectHttp2(`https://127.0.0.1:${port}`, tls);
const streams = ["configmaps", "secrets"].map((kind) => session.request({ ":path": `/api/v1/${kind}?watch=1` }));
const halfStream = session.request({ ":method": "POST", ":path": "/api/v1/namespaces" });
halfStream.write("{");
for (const each of [noHandshake, noRequest, halfBody, watch, session, halfStream, ...streams])
  each.on("error", () => {});
await Promise.all([
  once(noHandshake, "connect"),
  once(noRequest, "secureConnect"),
  once(watch, "data"),
  ...streams.map((stream) => once(stream, "response")),
]);
process.stdout.write("open\n");
