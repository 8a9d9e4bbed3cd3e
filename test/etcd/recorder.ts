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
  readonly #stop = new AbortController();
  #ended: Promise<unknown>;

  constructor(storage: Storage, afterRevision: number, prefix = PREFIX) {
    this.#ended = this.#follow(storage, prefix, afterRevision);
  }

  async #follow(storage: Storage, prefix: string, afterRevision: number): Promise<void> {
    for await (const event of storage.watch(prefix, afterRevision, this.#stop.signal)) {
      if (event.type !== "progress") this.changes.push(event);
    }
  }

  /** Rejects with what ended the watch. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  /** Waits until it has seen `revision`, then ends. */
  async stopAt(revision: number): Promise<readonly StorageChange[]> {
    const seen = async () => {
      while ((this.changes.at(-1)?.stored.revision ?? 0) < revision) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.race([seen(), this.#ended]);
    this.stop();
    await this.#ended;
    return this.changes;
  }

  stop(): void {
    this.#stop.abort();
  }
}
