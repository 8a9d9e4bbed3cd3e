import { createConnection, createServer, type Server, type Socket } from "node:net";

/** What is the matter with the way between the machines and the API. */
export type Trouble =
  | "none"
  /** What is sent arrives, late by this time, in both directions. */
  | { readonly delayMs: number }
  /** Requests arrive and are acted on; no reply comes back. */
  | "replies are lost";

/** Stands between the machines and the API; TLS goes through it, so it knows bytes only. */
export class ApiProxy {
  trouble: Trouble = "none";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: number): Promise<ApiProxy> {
    const server = createServer();
    const proxy = new ApiProxy(server);
    server.on("connection", (machine: Socket) => {
      const api = createConnection({ host: "127.0.0.1", port: target });
      proxy.#pass(machine, api, "request");
      proxy.#pass(api, machine, "reply");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return address.port;
  }

  /** Cuts every connection: whoever waits for a reply that was lost hears of it now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #pass(from: Socket, to: Socket, what: "request" | "reply"): void {
    this.#sockets.add(from);
    from.on("data", (bytes: Buffer) => {
      const { trouble } = this;
      if (trouble === "replies are lost" && what === "reply") return;
      // Equal delays keep the order.
      if (typeof trouble === "object") setTimeout(() => to.write(bytes), trouble.delayMs);
      else to.write(bytes);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
