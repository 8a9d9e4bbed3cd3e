import { randomInt } from "node:crypto";
import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A command was answered with an error. */
export class CommandRefused extends Error {
  override readonly name = "CommandRefused";
}

/** No answer in time, or the connection ended before it: whether the command took effect is unknown. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: unknown;
}

/**
 * A connection that speaks QEMU's protocol: one JSON object a line, as QMP and the guest agent do
 * (https://qemu.org/docs/master/interop/qmp-spec.html). Commands are numbered, answers may come in any order.
 */
export class JsonSocket {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: string, data: unknown) => void>();
  /** Random, so that a late answer to an earlier connection is not taken for one of ours. */
  #nextId = randomInt(2 ** 30);
  #buffer = "";
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => this.#close());
    socket.unref();
  }

  /** Tries again until QEMU has made the socket; `alive` says whether it is still worth waiting. */
  static async connect(path: string, timeoutMs: number, alive: () => boolean): Promise<JsonSocket> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const socket = createConnection(path);
      const error = await new Promise<Error | undefined>((resolve) => {
        socket.once("connect", () => resolve(undefined)).once("error", resolve);
      });
      if (error === undefined) return new JsonSocket(socket);
      if (!alive()) throw new NoAnswer(`the process behind ${path} has ended`, { cause: error });
      if (performance.now() > deadline) throw new NoAnswer(`cannot connect to ${path}`, { cause: error });
      await sleep(10);
    }
  }

  call(execute: string, args: object, timeoutMs: number): Promise<unknown> {
    if (this.#closed) return Promise.reject(new NoAnswer(`${execute}: the connection is closed`));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      reject(new NoAnswer(`${execute}: no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#pending.set(id, { resolve, reject });
    this.#socket.ref();
    this.#socket.write(`${JSON.stringify({ execute, arguments: args, id })}\n`);
    return promise.finally(() => {
      clearTimeout(timer);
      if (this.#pending.size === 0) this.#socket.unref();
    });
  }

  /** Makes the guest agent forget what an earlier connection left unfinished. */
  resetPeer(): void {
    this.#socket.write(Buffer.of(0xff));
  }

  /** Returns the function that ends listening. */
  onEvent(listener: (event: string, data: unknown) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#socket.destroy();
    this.#close();
  }

  #receive(chunk: string): void {
    const lines = (this.#buffer + chunk).split("\n");
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) {
      // The guest agent marks the start of a synchronised answer with the byte 0xFF (here: U+FFFD).
      const text = line.slice(line.lastIndexOf("\uFFFD") + 1).trim();
      if (text === "") continue;
      let reply: Reply;
      try {
        reply = JSON.parse(text) as Reply;
      } catch {
        continue; // the tail of an answer to somebody who was connected before us
      }
      this.#dispatch(reply);
    }
  }

  #dispatch(reply: Reply): void {
    if (reply.event !== undefined) {
      for (const listener of this.#listeners) listener(reply.event, reply.data);
      return;
    }
    const pending = reply.id === undefined ? undefined : this.#pending.get(reply.id);
    if (reply.id === undefined || pending === undefined) return; // greeting, or an answer that came too late
    this.#pending.delete(reply.id);
    if (reply.error === undefined) pending.resolve(reply.return);
    else pending.reject(new CommandRefused(`${reply.error.class}: ${reply.error.desc}`));
  }

  #close(): void {
    this.#closed = true;
    for (const { reject } of this.#pending.values()) reject(new NoAnswer("the connection ended before the answer"));
    this.#pending.clear();
  }
}
