import type { Storage, StorageEvent, StorageWatch } from "../../../../apiserver/storage/types.ts";

/** A store whose watches can be broken from outside, as etcd's are when it is away for longer than its history. */
export function breakable(storage: Storage): { readonly storage: Storage; breakWatches(error: Error): void } {
  const breaks = new Set<(error: Error) => void>();
  const watch: Storage["watch"] = (prefix, afterRevision, signal) => {
    const stop = new AbortController();
    const inner = storage.watch(prefix, afterRevision, AbortSignal.any([signal, stop.signal]));
    let failure: Error | undefined;
    const fail = (error: Error) => {
      failure = error;
      stop.abort();
    };
    breaks.add(fail);
    async function* follow(): AsyncGenerator<StorageEvent> {
      for await (const event of inner) if (failure === undefined) yield event;
      breaks.delete(fail);
      if (failure !== undefined) throw failure;
    }
    return { requestProgress: () => inner.requestProgress(), [Symbol.asyncIterator]: follow } satisfies StorageWatch;
  };
  const methods = ["get", "list", "create", "replace", "delete", "currentRevision", "compact", "close"] as const;
  const delegated = Object.fromEntries(methods.map((name) => [name, storage[name].bind(storage)]));
  return {
    storage: { ...delegated, watch } as unknown as Storage,
    breakWatches(error) {
      for (const fail of breaks) fail(error);
    },
  };
}
