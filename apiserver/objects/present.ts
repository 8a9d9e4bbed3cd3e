import type { KubeObject } from "../../machinery/object.ts";
import { cloneJson } from "../apply/json-value.ts";
import type { Resource } from "../registry/types.ts";
import type { Stored } from "../storage/types.ts";
import { renderStored } from "../storage/value.ts";
import { jsonEqual } from "./equal.ts";

/** A stored object as one version of a resource shows it: shared by all readers, never changed in place. */
export interface Presented {
  readonly object: KubeObject;
  /** Its JSON text. */
  readonly text: string;
}

const memo = new WeakMap<Resource, WeakMap<Stored, Presented>>();

/**
 * Rewrites a stored object to the served version: converted, pruned and defaulted by that version's schema, so that
 * what was stored under an older schema looks as if it had been written now. Worked out once for each stored object.
 */
export function present(resource: Resource, stored: Stored): Presented {
  let known = memo.get(resource);
  if (known === undefined) memo.set(resource, (known = new WeakMap()));
  let presented = known.get(stored);
  if (presented === undefined) known.set(stored, (presented = makePresented(resource, stored)));
  return presented;
}

function makePresented(resource: Resource, stored: Stored): Presented {
  if (resource.builtin && resource.conversion === undefined) return new StoredForm(stored);
  const object = toServed(resource, stored);
  // Nearly always: then the text is there already, and need not be kept a second time.
  return jsonEqual(object, stored.object) ? new ServedForm(stored, object) : asPresented(object);
}

/** What is shown as it is stored, and read often as an object. */
class ServedForm implements Presented {
  readonly object: KubeObject;
  readonly #stored: Stored;
  constructor(stored: Stored, object: KubeObject) {
    this.#stored = stored;
    this.object = object;
  }
  get text(): string {
    return renderStored(this.#stored);
  }
}

/** What is shown exactly as it is stored: written out without being parsed. */
class StoredForm implements Presented {
  readonly #stored: Stored;
  constructor(stored: Stored) {
    this.#stored = stored;
  }
  get object(): KubeObject {
    return this.#stored.object;
  }
  get text(): string {
    return renderStored(this.#stored);
  }
}

/** An object that is not stored in this form; its text is made once, when it is asked for. */
export function asPresented(object: KubeObject): Presented {
  let text: string | undefined;
  return {
    object,
    get text() {
      return (text ??= JSON.stringify(object));
    },
  };
}

export const apiVersionOf = (resource: Pick<Resource, "group" | "version">): string =>
  resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;

function toServed(resource: Resource, stored: Stored): KubeObject {
  const object = resource.conversion?.fromStorage(stored.object) ?? cloneJson(stored.object);
  object.apiVersion = apiVersionOf(resource);
  object.kind = resource.kind;
  if (resource.builtin) return object;
  resource.compiled.prune(object);
  resource.compiled.applyDefaults(object);
  return object;
}

/** The form in which an object of the served version is stored. */
export function toStorage(resource: Resource, object: KubeObject): KubeObject {
  const stored = resource.conversion?.toStorage(object) ?? { ...object };
  stored.apiVersion = resource.storageApiVersion;
  return stored;
}
