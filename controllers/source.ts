import { isDeepStrictEqual } from "node:util";
import type { Reflector } from "../client/reflector.ts";
import type { ApiObject } from "../client/api-object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { Selection } from "../client/rest.ts";
import type { DeepReadonly } from "../machinery/object.ts";
import type { Request } from "../machinery/result.ts";

/** Where reflectors come from: one for each resource and selection, shared by all who ask. */
export interface Reflectors {
  reflector<T extends ApiObject>(type: ResourceType<T>, selection?: Selection): Reflector<T>;
}

/** Wires something that changes to the requests of one controller. */
export type Source = (reflectors: Reflectors, enqueue: Enqueue) => void;

/** Takes a request in, at once or after a while: then it is worked on once for all that came meanwhile. */
export type Enqueue = (request: Request, afterMs?: number) => void;

/** Which requests follow from a change of this object. */
export type RequestMap<T> = (object: DeepReadonly<T>) => readonly Request[];

export function requestFor(object: unknown): Request {
  const { namespace = "", name = "" } = (object as ApiObject).metadata;
  return { namespace, name };
}

/**
 * Changes of objects. Without a map, of the controller's own kind; with one, of others that it depends on. For an update
 * both states are mapped, so that a reference that moves wakes the old target too.
 */
export function objects<T extends ApiObject>(
  type: ResourceType<T>,
  map: RequestMap<T> = (object) => [requestFor(object)],
  selection?: Selection,
): Source {
  return (reflectors, enqueue) => {
    reflectors.reflector(type, selection).onChange((change) => {
      const states = change.kind === "updated" ? [change.old, change.object] : [change.object];
      for (const state of states) for (const request of map(state)) enqueue(request);
    });
  };
}

/** What of an object matters to a controller: anything that JSON can carry. */
export type Relevant<T> = (object: DeepReadonly<T>) => unknown;

/**
 * As `objects`, but only for changes of what matters: everything else, such as the controller's own reports, would only have it
 * look at the world again.
 */
export function changesOf<T extends ApiObject>(
  type: ResourceType<T>,
  relevant: Relevant<T>,
  map: RequestMap<T> = (object) => [requestFor(object)],
  selection?: Selection,
): Source {
  return (reflectors, enqueue) => {
    reflectors.reflector(type, selection).onChange((change) => {
      if (change.kind === "updated" && isDeepStrictEqual(relevant(change.old), relevant(change.object))) return;
      const states = change.kind === "updated" ? [change.old, change.object] : [change.object];
      for (const state of states) for (const request of map(state)) enqueue(request);
    });
  };
}

/** One of several things that an object tells of, and who has to know when it changes. */
export interface Part {
  readonly state: unknown;
  readonly requests: readonly Request[];
}

/** As `changesOf`, for an object that tells of many things: wakes only those whose part is new, gone or different. */
export function changesOfParts<T extends ApiObject>(
  type: ResourceType<T>,
  partsOf: (object: DeepReadonly<T>) => readonly Part[],
): Source {
  return (reflectors, enqueue) => {
    reflectors.reflector(type).onChange((change) => {
      const now = partsOf(change.object);
      const before = change.kind === "updated" ? partsOf(change.old) : [];
      const isIn = (list: readonly Part[], part: Part) =>
        list.some(({ state }) => isDeepStrictEqual(state, part.state));
      const changed = [...now.filter((part) => !isIn(before, part)), ...before.filter((part) => !isIn(now, part))];
      for (const { requests } of changed) for (const request of requests) enqueue(request);
    });
  };
}

/** What `source` tells of is not urgent: many changes within `afterMs` are one. */
export function later(afterMs: number, source: Source): Source {
  return (reflectors, enqueue) => source(reflectors, (request) => enqueue(request, afterMs));
}

/** What its maker and its administrator say of an object: all but its status and the server's bookkeeping. */
export function wanted(object: unknown): unknown {
  const { metadata, status: _, ...rest } = object as ApiObject & { readonly status?: unknown };
  const { resourceVersion: __, managedFields: ___, generation: ____, ...meaning } = metadata as Record<string, unknown>;
  return { ...rest, metadata: meaning };
}

/** The owners of one kind, as `metadata.ownerReferences` name them. */
export function ownersOf<T extends ApiObject>(owner: { readonly kind: string; readonly group: string }): RequestMap<T> {
  return (object) => {
    const { namespace = "", ownerReferences = [] } = (object as ApiObject).metadata;
    return ownerReferences
      .filter(({ kind, apiVersion }) => kind === owner.kind && apiVersion.split("/")[0] === owner.group)
      .map(({ name }) => ({ namespace, name }));
  };
}
