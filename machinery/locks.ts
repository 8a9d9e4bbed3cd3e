/** Locks by name within one process: whoever asks for several gets them all, or waits; nobody overtakes. */
export class Locks {
  /** What the next one waits for; never rejects. */
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` while it holds every one of `names`. `work` must not ask for a lock itself. */
  async holding<T>(names: Iterable<string>, work: () => Promise<T>): Promise<T> {
    const wanted = [...new Set(names)];
    // All places in all queues are taken at once, so that no two wait for each other.
    const before = wanted.flatMap((name) => this.#tails.get(name) ?? []);
    const mine = Promise.all(before).then(work);
    const ended = mine.then(
      () => undefined,
      () => undefined,
    );
    for (const name of wanted) this.#tails.set(name, ended);
    try {
      return await mine;
    } finally {
      for (const name of wanted) if (this.#tails.get(name) === ended) this.#tails.delete(name);
    }
  }
}
