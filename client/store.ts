import type { DeepReadonly } from "../machinery/object.ts";
import { type ApiObject, objectKey } from "./api-object.ts";

/** What happened to one object. Another uid under the same name comes as `deleted` and then `added`. */
export type Change<T> =
  | { readonly kind: "added"; readonly object: DeepReadonly<T> }
  | { readonly kind: "updated"; readonly object: DeepReadonly<T>; readonly old: DeepReadonly<T> }
  | { readonly kind: "deleted"; readonly object: DeepReadonly<T> };

/** The values of one index that an object is found under. */
export type Indexer<T> = (object: DeepReadonly<T>) => readonly string[];

/** What readers see. Objects are frozen; lists are copies, in no particular order. */
export interface Cache<T> {
  get(namespace: string, name: string): DeepReadonly<T> | undefined;
  /** Of one namespace, or of all. */
  list(namespace?: string): DeepReadonly<T>[];
  /** Throws on an index that was never declared. */
  byIndex(index: string, value: string): DeepReadonly<T>[];
  readonly size: number;
}

/** Objects by `namespace/name` and by declared indexes. Only the reflector writes. */
export class Store<T extends ApiObject> implements Cache<T> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  readonly #indexers = new Map<string, Indexer<T>>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();

  constructor(indexers: Readonly<Record<string, Indexer<T>>> = {}) {
    for (const [name, indexer] of Object.entries(indexers)) this.addIndex(name, indexer);
  }

  /** Declares an index, also over what is there already. A second declaration of a name must be the same function. */
  addIndex(name: string, indexer: Indexer<T>): void {
    const known = this.#indexers.get(name);
    if (known === indexer) return;
    if (known !== undefined) throw new TypeError(`index ${name} is declared twice, differently`);
    this.#indexers.set(name, indexer);
    this.#indexes.set(name, new Map());
    for (const [key, object] of this.#objects) this.#enter(name, indexer, key, object);
  }

  get(namespace: string, name: string): DeepReadonly<T> | undefined {
    return this.#objects.get(namespace === "" ? name : `${namespace}/${name}`);
  }

  list(namespace?: string): DeepReadonly<T>[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((object) => meta(object).namespace === namespace);
  }

  byIndex(index: string, value: string): DeepReadonly<T>[] {
    const values = this.#indexes.get(index);
    if (values === undefined) throw new TypeError(`no index named ${index}`);
    const found: DeepReadonly<T>[] = [];
    for (const key of values.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Takes one object in; the same revision of the same object changes nothing. */
  set(object: T): Change<T>[] {
    const frozen = deepFreeze(object);
    const key = objectKey(object);
    const old = this.#objects.get(key);
    const same = old !== undefined && meta(old).uid === object.metadata.uid;
    if (same && meta(old).resourceVersion === object.metadata.resourceVersion) return [];
    this.#put(key, frozen, old);
    if (same) return [{ kind: "updated", object: frozen, old }];
    const added: Change<T> = { kind: "added", object: frozen };
    return old === undefined ? [added] : [{ kind: "deleted", object: old }, added];
  }

  /** Takes one object out. `last` is its final state; an unknown object changes nothing. */
  delete(last: T): Change<T>[] {
    const key = objectKey(last);
    const old = this.#objects.get(key);
    if (old === undefined || meta(old).uid !== last.metadata.uid) return [];
    this.#drop(key, old);
    return [{ kind: "deleted", object: deepFreeze(last) }];
  }

  /** Makes the store equal to a full list: what the list lacks is deleted. */
  replace(objects: readonly T[]): Change<T>[] {
    const listed = new Set(objects.map(objectKey));
    const gone = [...this.#objects].filter(([key]) => !listed.has(key));
    const deleted = gone.map(([key, object]): Change<T> => {
      this.#drop(key, object);
      return { kind: "deleted", object };
    });
    return [...deleted, ...objects.flatMap((object) => this.set(object))];
  }

  #put(key: string, object: DeepReadonly<T>, old: DeepReadonly<T> | undefined): void {
    if (old !== undefined) this.#drop(key, old);
    this.#objects.set(key, object);
    for (const [name, indexer] of this.#indexers) this.#enter(name, indexer, key, object);
  }

  #enter(name: string, indexer: Indexer<T>, key: string, object: DeepReadonly<T>): void {
    const index = this.#indexes.get(name);
    for (const value of indexer(object)) {
      const keys = index?.get(value) ?? new Set();
      keys.add(key);
      index?.set(value, keys);
    }
  }

  #drop(key: string, object: DeepReadonly<T>): void {
    this.#objects.delete(key);
    for (const [name, indexer] of this.#indexers) {
      const index = this.#indexes.get(name);
      for (const value of indexer(object)) {
        const keys = index?.get(value);
        keys?.delete(key);
        if (keys?.size === 0) index?.delete(value);
      }
    }
  }
}

/** `DeepReadonly` of a type parameter is opaque to the compiler; its metadata is not in doubt. */
function meta(object: unknown): ApiObject["metadata"] {
  return (object as ApiObject).metadata;
}

/** Freezes a JSON value to the bottom, so that a writer to the cache fails at once instead of corrupting it. */
export function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value as DeepReadonly<T>;
}
