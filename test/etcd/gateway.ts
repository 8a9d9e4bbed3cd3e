import { request } from "node:http";
import { text } from "node:stream/consumers";

/** Asks etcd by its JSON gateway: what our own client does not do, and independently of it. Throws when etcd refuses. */
export async function askGateway(server: string, path: string, body: object, token = ""): Promise<unknown> {
  const socketPath = /^unix:(.+)$/.exec(server)?.[1];
  const headers = { "content-type": "application/json", ...(token === "" ? {} : { authorization: token }) };
  const options = { method: "POST", headers, ...(socketPath === undefined ? {} : { socketPath }) };
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asked = request(
      new URL(path, socketPath === undefined ? server : "http://localhost"),
      options,
      (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      },
    );
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
  });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body);
}
