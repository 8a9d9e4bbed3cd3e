/**
 * Hands what a producer pushes to one consumer, in batches: all that arrived since its last turn. The buffer is as
 * large as the producer lets it grow (`size`).
 */
export class PushStream<T> implements AsyncIterable<readonly T[]> {
  #buffer: T[] = [];
  #wake: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;
  #iterated = false;
  readonly #onClose: () => void;

  /** `onClose` is called once: when the stream has ended, or its consumer has gone. */
  constructor(onClose: () => void = () => {}) {
    this.#onClose = onClose;
  }

  get size(): number {
    return this.#buffer.length;
  }

  /** Nothing more is taken; what is buffered may still wait for the consumer. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** For a consumer that does not iterate: called whenever there is something to take, or the end. */
  set onArrival(wake: () => void) {
    this.#wake = wake;
  }

  /** All that has come since the last time, in order. Throws the error that the stream was cut with. */
  take(): readonly T[] {
    if (this.#buffer.length === 0 && this.#end?.error !== undefined) throw this.#end.error;
    const batch = this.#buffer;
    if (batch.length > 0) this.#buffer = [];
    return batch;
  }

  push(item: T): void {
    if (this.#end !== undefined) return;
    this.#buffer.push(item);
    this.#wake?.();
  }

  /** The consumer gets what is buffered, then the end. */
  end(): void {
    this.#finish(undefined);
  }

  /** The consumer gets `error` next; what is buffered is dropped. */
  cut(error: Error): void {
    if (this.#end !== undefined) return;
    this.#buffer = [];
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#onClose();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly T[], void, void> {
    if (this.#iterated) throw new Error("a stream has one consumer, once");
    this.#iterated = true;
    try {
      for (;;) {
        if (this.#buffer.length > 0) {
          const batch = this.#buffer;
          this.#buffer = [];
          yield batch;
        } else if (this.#end !== undefined) {
          if (this.#end.error !== undefined) throw this.#end.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
        }
      }
    } finally {
      this.end();
    }
  }
}
