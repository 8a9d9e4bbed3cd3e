import type { DrbdMailbox } from "../../agent/drbd-mailbox.ts";
import type { Executor, Follow } from "../../executors/command/types.ts";
import type { Clock } from "../../machinery/clock.ts";

/**
 * One life of a process: what it waits for comes back only while it lives, and later when it is stopped for a while.
 * A killed process is never heard of again, wherever it was.
 */
export class SimulatedProcess {
  readonly #clock: Clock;
  readonly #onStep: () => void;
  readonly #wallOffsetMs: () => number;
  #alive = true;
  #paused = false;
  #held: (() => void)[] = [];

  /** `onStep` is called whenever the process begins to wait for something outside. */
  constructor(clock: Clock, onStep: () => void, wallOffsetMs: () => number = () => 0) {
    this.#clock = clock;
    this.#onStep = onStep;
    this.#wallOffsetMs = wallOffsetMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
    this.#held = [];
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const go of this.#held.splice(0)) go();
  }

  #enter(go: () => void): void {
    if (!this.#alive) return;
    if (this.#paused) this.#held.push(go);
    else go();
  }

  /** The outcome of something outside, as this process gets to see it. */
  async sees<T>(outside: Promise<T>): Promise<T> {
    this.#onStep();
    try {
      return await outside;
    } finally {
      // Nobody hears what happens to a killed process: not even its own `catch`.
      if (!this.#alive || this.#paused) await new Promise<void>((resolve) => this.#enter(resolve));
    }
  }

  readonly clock: Clock = {
    now: () => new Date(this.#clock.now().getTime() + this.#wallOffsetMs()),
    monotonicMs: () => this.#clock.monotonicMs(),
    schedule: (delayMs, callback) => this.#clock.schedule(delayMs, () => this.#enter(callback)),
  };

  executor(inner: Executor): Executor {
    return {
      run: (command, signal) => this.sees(inner.run(command, signal)),
      write: (file, signal) => this.sees(inner.write(file, signal)),
      read: (path, signal) => this.sees(inner.read(path, signal)),
      realPath: (path, signal) => this.sees(inner.realPath(path, signal)),
    };
  }

  follow(inner: Follow): Follow {
    return (argv, signal) => this.lines(inner(argv, signal));
  }

  async *lines<T>(inner: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = inner[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.sees(iterator.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      void iterator.return?.();
    }
  }

  mailbox(inner: DrbdMailbox): DrbdMailbox {
    return {
      list: () => this.sees(inner.list()),
      read: (id) => this.sees(inner.read(id)),
      answer: (id, code) => this.sees(inner.answer(id, code)),
      remove: (id) => this.sees(inner.remove(id)),
    };
  }
}
