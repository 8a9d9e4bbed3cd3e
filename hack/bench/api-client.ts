import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { parse } from "yaml";

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { server: string; "certificate-authority-data"?: string } }];
  readonly users: readonly [
    { readonly user: { "client-certificate-data"?: string; "client-key-data"?: string; token?: string; as?: string } },
  ];
}

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** HTTP/2 to the first cluster of a kubeconfig, as its first user: as lean as a client can be, so that it measures the server. */
export class ApiClient {
  readonly #session: ClientHttp2Session;
  readonly #headers: Record<string, string>;

  constructor(kubeconfigPath: string) {
    const { clusters, users } = parse(readFileSync(kubeconfigPath, "utf8")) as Kubeconfig;
    const [{ cluster }] = clusters;
    const [{ user }] = users;
    const pem = (data: string | undefined) => (data === undefined ? undefined : Buffer.from(data, "base64"));
    this.#session = connect(cluster.server, {
      ca: pem(cluster["certificate-authority-data"]),
      cert: pem(user["client-certificate-data"]),
      key: pem(user["client-key-data"]),
      settings: { initialWindowSize: 4 * 2 ** 20 },
    });
    // Each request under way hears of it too.
    this.#session.on("error", () => {});
    this.#session.on("connect", () => this.#session.setLocalWindowSize(64 * 2 ** 20));
    this.#headers = {
      ...(user.token === undefined ? {} : { authorization: `Bearer ${user.token}` }),
      ...(user.as === undefined ? {} : { "impersonate-user": user.as }),
    };
  }

  /** Rejects when there is no whole answer. */
  ask(
    method: string,
    path: string,
    body?: string,
    contentType = "application/json",
    accept = "application/json",
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = {
        ":method": method,
        ":path": path,
        accept,
        "user-agent": "bench",
        ...(body === undefined ? {} : { "content-type": contentType }),
        ...this.#headers,
      };
      // A DELETE would otherwise go out without its body.
      const stream = this.#session.request(asked, { endStream: body === undefined });
      let status = 0;
      let length: number | undefined;
      let headers: Answer["headers"] = {};
      const chunks: Buffer[] = [];
      stream.on("response", (received) => {
        headers = received;
        status = Number(headers[":status"]);
        length = method === "HEAD" ? undefined : Number(headers["content-length"] ?? 0);
      });
      stream.on("close", () => reject(new Error("no answer")));
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const whole = Buffer.concat(chunks);
        if (status === 0 || (length !== undefined && whole.length < length)) reject(new Error("half an answer"));
        else resolve({ status, bytes: whole.length, text: whole.toString(), headers });
      });
      stream.on("error", reject);
      if (body !== undefined) stream.end(body);
    });
  }

  /** A watch: calls back for each whole line, and when the stream has ended, in order or not. Resolves when the headers are there. */
  watch(path: string, onLine: (line: string) => void, onEnd = (): void => {}): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ":path": path, accept: "application/json", ...this.#headers });
      stream.on("close", () => {
        reject(new Error("no answer"));
        onEnd();
      });
      let rest = "";
      stream.on("response", () => resolve(() => stream.close()));
      stream.on("error", reject);
      stream.on("data", (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onLine(line);
      });
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
