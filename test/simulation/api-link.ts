import { ConnectionError } from "../../client/errors.ts";
import type { HttpResponse, Transport } from "../../client/transport.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";
import type { Random } from "../../machinery/random.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SimulatedStore } from "./store.ts";

/** How long a request may stay on its way after its sender gave up. */
const LATE_MS = 10_000;
/** The others come back in the instant in which the request was served. */
const SLOW_ANSWERS = 0.25;

/** One machine's way to the API: it can be cut or hang, and while `unreliable` it loses, delays and repeats. */
export class ApiLink {
  readonly #store: SimulatedStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #user: string;
  #state: "up" | "cut" | "hanging" = "up";
  #mended = Promise.withResolvers<void>();
  readonly #watches = new Set<(error: Error) => void>();
  /** Chance that a request goes wrong. */
  unreliable = 0;

  constructor(parts: {
    readonly store: SimulatedStore;
    readonly clock: Clock;
    readonly random: Random;
    readonly user: string;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#user = parts.user;
  }

  cut(): void {
    this.#state = "cut";
    for (const fail of this.#watches) fail(new ConnectionError("the link is cut", "unknown"));
  }

  hang(): void {
    this.#state = "hanging";
  }

  mend(): void {
    this.#state = "up";
    this.#mended.resolve();
    this.#mended = Promise.withResolvers();
  }

  /** What a process on this machine uses. */
  transport(process: SimulatedProcess): Transport {
    return async (request, signal) => {
      const response = await process.sees(this.#exchange(request, signal));
      return { ...response, body: process.lines(response.body) };
    };
  }

  async #exchange(request: Parameters<Transport>[0], signal: AbortSignal): Promise<HttpResponse> {
    await sleep(this.#clock, 0.5 + this.#random.next() * 5, signal);
    while (this.#state === "hanging") await this.#untilMended(request, signal);
    if (this.#state === "cut") throw new ConnectionError("the link is cut", "not-sent");
    if (request.path.includes("watch=true")) return this.#watch(request.path, signal);
    const misfortune = this.#random.next() < this.unreliable ? Math.floor(this.#random.next() * 4) : undefined;
    if (misfortune === 0) throw new ConnectionError("the connection was reset", "unknown");
    if (misfortune === 1) {
      // The client gives up, its request arrives all the same.
      this.#clock.schedule(this.#random.next() * LATE_MS, () => this.#store.handle(request, this.#user));
      throw new ConnectionError("the connection was reset", "unknown");
    }
    if (misfortune === 2) await sleep(this.#clock, this.#random.next() * 4000, signal);
    const { status, body } = this.#store.handle(request, this.#user);
    if (misfortune === 3) throw new ConnectionError("the answer was lost", "unknown");
    if (this.#random.next() < SLOW_ANSWERS) await sleep(this.#clock, 0.2 + this.#random.next() * 5, signal);
    return { status, headers: {}, body: once(body) };
  }

  async #untilMended(request: Parameters<Transport>[0], signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#mended.promise, promise]);
    } catch (error) {
      // TCP holds on to what was sent: it may arrive when the link works again.
      if (request.method !== "GET" && this.#random.next() < 0.5)
        void this.#mended.promise.then(() => this.#store.handle(request, this.#user));
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #watch(path: string, signal: AbortSignal): HttpResponse {
    const lines: string[] = [];
    let broken: Error | undefined;
    let wake = Promise.withResolvers<void>();
    const fail = (error: Error) => {
      broken = error;
      wake.resolve();
    };
    const stop = this.#store.watch(path, (line) => {
      if (line === undefined) return fail(new ConnectionError("the server went away", "unknown"));
      lines.push(line);
      wake.resolve();
    });
    if (typeof stop !== "function") return { status: stop.status, headers: {}, body: once(stop.body) };
    this.#watches.add(fail);
    const onAbort = () => fail(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    const { watches, link } = { watches: this.#watches, link: this };
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          if (broken !== undefined) throw broken;
          const held = link.#state === "hanging";
          const text = held ? "" : lines.splice(0).join("\n");
          if (text !== "") yield Buffer.from(`${text}\n`);
          if (broken !== undefined || (lines.length > 0 && !held)) continue;
          await (held ? Promise.race([link.#mended.promise, wake.promise]) : wake.promise);
          wake = Promise.withResolvers();
        }
      } finally {
        (stop as () => void)();
        watches.delete(fail);
        signal.removeEventListener("abort", onAbort);
      }
    }
    return { status: 200, headers: {}, body: body() };
  }
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
