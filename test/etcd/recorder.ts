import type { Storage, StorageChange } from "../../apiserver/storage/types.ts";
import type { KubeObject } from "../../machinery/object.ts";

export const PREFIX = "/registry/example.com/widgets/";
export const keyOf = (name: string, namespace = "default") => `${PREFIX}${namespace}/${name}`;

export function widget(name: string, size = 1, padding = 0): KubeObject {
  const spec = padding === 0 ? { size } : { size, padding: "x".repeat(padding) };
  return { apiVersion: "example.com/v1", kind: "Widget", metadata: { name }, spec };
}

export const describeChange = ({ type, stored }: StorageChange) => `${type} ${stored.key}@${stored.revision}`;

/** Follows a prefix and keeps all that it saw. */
export class Recorder {
  readonly changes: StorageChange[] = [];
  /** Rejects with what ended the watch. */
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();
  #onChange = () => {};

  constructor(storage: Storage, afterRevision: number, prefix = PREFIX) {
    this.ended = this.#follow(storage, prefix, afterRevision);
  }

  async #follow(storage: Storage, prefix: string, afterRevision: number): Promise<void> {
    for await (const event of storage.watch(prefix, afterRevision, this.#stop.signal)) {
      if (event.type !== "progress") this.changes.push(event);
      this.#onChange();
    }
  }

  /** Resolves when so many changes have been seen; rejects when the watch ends before. */
  async count(atLeast: number): Promise<void> {
    await this.#until(() => this.changes.length >= atLeast);
  }

  /** Resolves when a change at `revision` or later has been seen; rejects when the watch ends before. */
  async reached(revision: number): Promise<void> {
    await this.#until(() => (this.changes.at(-1)?.stored.revision ?? 0) >= revision);
  }

  async #until(condition: () => boolean): Promise<void> {
    const met = new Promise<void>((resolve) => {
      this.#onChange = () => {
        if (condition()) resolve();
      };
      this.#onChange();
    });
    await Promise.race([met, this.ended.then(() => Promise.reject(new Error("the watch has ended")))]);
  }

  /** Ends when it has seen `revision`. */
  async stopAt(revision: number): Promise<readonly StorageChange[]> {
    await this.reached(revision);
    this.stop();
    await this.ended;
    return this.changes;
  }

  stop(): void {
    this.#stop.abort();
  }
}
