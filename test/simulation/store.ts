import type { ApiObject } from "../../client/api-object.ts";
import type { HttpRequest } from "../../client/transport.ts";
import type { Clock } from "../../machinery/clock.ts";
import { type Random, uuid } from "../../machinery/random.ts";

export type Json = Record<string, unknown>;
export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}
interface Target {
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
}
/** An object and its JSON, made once. */
export interface Stored {
  readonly object: Json;
  readonly text: string;
}
interface Watcher {
  readonly target: Target;
  readonly send: (line: string | undefined) => void;
}

/** What a store holds at one time. */
export interface StoreImage {
  readonly objects: ReadonlyMap<string, Stored>;
  readonly applied: ReadonlyMap<string, Json>;
  readonly revision: number;
}

const BOOKMARK_MS = 60_000;

/**
 * The Kubernetes API as far as agents and controllers use it: quorum reads, compare-and-set, server-side apply of
 * whole fields, merge patches of metadata, streaming lists and watches. It checks no schema: what the real server would
 * refuse, the checks of the simulation report.
 */
export class SimulatedStore {
  readonly #clock: Clock;
  readonly #random: Random;
  #objects = new Map<string, Stored>();
  #applied = new Map<string, Json>();
  #revision = 1;
  readonly #watchers = new Set<Watcher>();
  /** Called with every write that was taken. */
  onWrite: (plural: string, before: Json | undefined, after: Json, user: string) => void = () => undefined;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get(plural: string, namespace: string, name: string): Json | undefined {
    return this.#objects.get(`${plural}/${namespace}/${name}`)?.object;
  }

  #list(plural: string): Stored[] {
    const found: Stored[] = [];
    for (const [key, stored] of this.#objects) if (key.startsWith(`${plural}/`)) found.push(stored);
    return found;
  }

  /** All that it holds, as a backup would. */
  image(): StoreImage {
    return { objects: new Map(this.#objects), applied: new Map(this.#applied), revision: this.#revision };
  }

  /** Holds what the image holds and nothing else; revisions go back too, and every watch breaks. */
  restore(image: StoreImage): void {
    this.#objects = new Map(image.objects);
    this.#applied = new Map(image.applied);
    this.#revision = image.revision;
    for (const watcher of this.#watchers) watcher.send(undefined);
  }

  /** Put back to the past, and served again by a server that saw it: the hosts' records begin a new life. */
  rollBack(image: StoreImage): void {
    this.restore(image);
    const incarnation = uuid(this.#random);
    for (const [key, { object }] of this.#objects) {
      const status = object.status as Json | undefined;
      if (!key.startsWith("hostpairs/") || status === undefined) continue;
      const metadata = { ...(object.metadata as Json), resourceVersion: String(++this.#revision) };
      const renewed = { ...object, metadata, status: { ...status, incarnation, epoch: Number(status.epoch) + 1 } };
      this.#objects.set(key, { object: renewed, text: JSON.stringify(renewed) });
    }
  }

  handle(request: HttpRequest, user: string): Answer {
    const target = parsePath(request.path);
    const key = `${target.plural}/${target.namespace}/${target.name}`;
    const stored = this.#objects.get(key);
    const isApply = request.headers["content-type"] === "application/apply-patch+yaml";
    const said = `${key}|${request.path}`;
    const last = isApply ? this.#unchanging.get(said) : undefined;
    if (last !== undefined && last.stored === stored && last.body === request.body)
      return { status: 200, body: last.stored.text };
    const answer = this.#answer(target, key, stored, request, user);
    const after = this.#objects.get(key);
    if (isApply && after !== undefined && request.body !== undefined && after === stored)
      this.#unchanging.set(said, { body: request.body, stored: after });
    return answer;
  }
  /** Applied configurations that changed nothing of an object: they never will while it is this one. */
  readonly #unchanging = new Map<string, { readonly body: string; readonly stored: Stored }>();

  #answer(target: Target, key: string, stored: Stored | undefined, request: HttpRequest, user: string): Answer {
    const current = stored?.object;
    const body = (request.body === undefined ? {} : JSON.parse(request.body)) as Json;
    switch (request.method) {
      case "GET":
        if (target.name === "") return { status: 200, body: this.#page(target) };
        return stored === undefined ? failure(404, "NotFound") : { status: 200, body: stored.text };
      case "POST":
        return this.#create(target, body, user);
      case "PUT":
        return current === undefined ? failure(404, "NotFound") : this.#put(key, target, current, body, user);
      case "PATCH":
        return this.#patch(key, target, current, body, request.headers["content-type"] ?? "", user);
      case "DELETE":
        return current === undefined ? failure(404, "NotFound") : this.#delete(key, target, current, user);
      default:
        return failure(405, "MethodNotAllowed");
    }
  }

  #page(target: Target): string {
    const items = this.#matching(target).map(({ text }) => text);
    return `{"kind":"List","metadata":{"resourceVersion":"${this.#revision}"},"items":[${items.join(",")}]}`;
  }

  #matching(target: Target): Stored[] {
    return this.#list(target.plural).filter(({ object }) => matches(target, object));
  }

  #create(target: Target, body: Json, user: string): Answer {
    const metadata = body.metadata as Json;
    const name = (metadata.name ?? `${metadata.generateName as string}${this.#revision}`) as string;
    const key = `${target.plural}/${target.namespace}/${name}`;
    if (this.#objects.has(key)) return failure(409, "AlreadyExists");
    // Events tell people, and nobody here reads them.
    if (target.plural === "events") return { status: 201, body: JSON.stringify(body) };
    const { status: _, ...rest } = body;
    const made = {
      ...rest,
      metadata: {
        ...metadata,
        name,
        ...(target.namespace ? { namespace: target.namespace } : {}),
        uid: uuid(this.#random),
        generation: 1,
      },
    };
    return { status: 201, body: this.#save(key, target, undefined, made, user) };
  }

  #put(key: string, target: Target, current: Json, body: Json, user: string): Answer {
    const asked = (body.metadata as Json).resourceVersion;
    if (asked !== undefined && asked !== (current.metadata as Json).resourceVersion) return failure(409, "Conflict");
    const next =
      target.subresource === "status" ? { ...current, status: body.status } : { ...body, status: current.status };
    return { status: 200, body: this.#save(key, target, current, { ...next, metadata: current.metadata }, user) };
  }

  #patch(key: string, target: Target, current: Json | undefined, body: Json, type: string, user: string): Answer {
    if (type === "application/apply-patch+yaml") return this.#apply(key, target, current, body, user);
    if (current === undefined) return failure(404, "NotFound");
    const asked = (body.metadata as Json | undefined)?.resourceVersion;
    if (asked !== undefined && asked !== (current.metadata as Json).resourceVersion) return failure(409, "Conflict");
    return { status: 200, body: this.#save(key, target, current, mergePatch(current, body) as Json, user) };
  }

  #apply(key: string, target: Target, current: Json | undefined, body: Json, user: string): Answer {
    const manager = `${key}|${target.query.get("fieldManager")}|${target.subresource}`;
    const { uid } = (body.metadata ?? {}) as { uid?: string };
    if (uid !== undefined && uid !== (current?.metadata as Json | undefined)?.uid) return failure(409, "Conflict");
    if (current === undefined && target.subresource !== "") return failure(404, "NotFound");
    const own =
      target.subresource === "status" ? { status: body.status } : { spec: body.spec, metadata: body.metadata };
    const before = this.#applied.get(manager);
    const base = current ?? {
      apiVersion: body.apiVersion,
      kind: body.kind,
      metadata: { uid: uuid(this.#random), generation: 1 },
    };
    const merged = merge(takeAway(base, before, own), own) as Json;
    this.#applied.set(manager, own);
    const next = target.subresource === "status" ? withOwner(merged, target.query.get("fieldManager"), own) : merged;
    return { status: 200, body: this.#save(key, target, current, next, user) };
  }

  #delete(key: string, target: Target, current: Json, user: string): Answer {
    const metadata = current.metadata as { finalizers?: string[]; deletionTimestamp?: string };
    if ((metadata.finalizers ?? []).length === 0) return { status: 200, body: this.#remove(key, current) };
    if (metadata.deletionTimestamp !== undefined) return { status: 200, body: JSON.stringify(current) };
    const marked = { ...current, metadata: { ...metadata, deletionTimestamp: this.#clock.now().toISOString() } };
    return { status: 200, body: this.#save(key, target, current, marked, user) };
  }

  #remove(key: string, current: Json): string {
    this.#objects.delete(key);
    this.#applied = new Map([...this.#applied].filter(([name]) => !name.startsWith(`${key}|`)));
    const object = {
      ...current,
      metadata: { ...(current.metadata as Json), resourceVersion: String(++this.#revision) },
    };
    const text = JSON.stringify(object);
    this.#publish("DELETED", key, { object, text });
    return text;
  }

  #save(key: string, target: Target, before: Json | undefined, next: Json, user: string): string {
    const known = this.#objects.get(key)?.text;
    if (known !== undefined && known === JSON.stringify(next)) return known;
    const metadata = { ...(next.metadata as Json) };
    const finalizers = metadata.finalizers as string[] | undefined;
    if (metadata.deletionTimestamp !== undefined && (finalizers ?? []).length === 0) return this.#remove(key, next);
    const touched = before !== undefined && target.subresource !== "status";
    if (touched && JSON.stringify(before.spec) !== JSON.stringify(next.spec))
      metadata.generation = Number(metadata.generation ?? 0) + 1;
    metadata.resourceVersion = String(++this.#revision);
    const object = { ...next, metadata };
    const text = JSON.stringify(object);
    this.#objects.set(key, { object, text });
    this.onWrite(target.plural, before, object, user);
    this.#publish(before === undefined ? "ADDED" : "MODIFIED", key, { object, text });
    return text;
  }

  #publish(type: string, key: string, { object, text }: Stored): void {
    const plural = key.slice(0, key.indexOf("/"));
    const line = `{"type":"${type}","object":${text}}`;
    for (const watcher of this.#watchers)
      if (watcher.target.plural === plural && matches(watcher.target, object)) watcher.send(line);
  }

  /** Starts a watch; `send(undefined)` breaks it. Answers with what stops it, or with a refusal. */
  watch(path: string, send: (line: string | undefined) => void): (() => void) | Answer {
    const target = parsePath(path);
    const from = target.query.get("resourceVersion");
    // No history is kept: who does not start from now must list again.
    if (from !== null && Number(from) !== this.#revision) return failure(410, "Expired");
    if (target.query.has("sendInitialEvents")) {
      for (const { text } of this.#matching(target)) send(`{"type":"ADDED","object":${text}}`);
      send(this.#bookmark(true));
    }
    const watcher = { target, send };
    this.#watchers.add(watcher);
    const beat = () => {
      if (!this.#watchers.has(watcher)) return;
      send(this.#bookmark(false));
      this.#clock.schedule(BOOKMARK_MS, beat);
    };
    this.#clock.schedule(BOOKMARK_MS, beat);
    return () => void this.#watchers.delete(watcher);
  }

  #bookmark(initial: boolean): string {
    const annotations = initial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
    const object: ApiObject = { metadata: { resourceVersion: String(this.#revision), ...annotations } };
    return JSON.stringify({ type: "BOOKMARK", object });
  }
}

export const failure = (code: number, reason: string): Answer => ({
  status: code,
  body: JSON.stringify({ kind: "Status", code, reason, message: reason }),
});

const parsed = new Map<string, Target>();

/** The same few hundred paths are asked for all the time. */
function parsePath(path: string): Target {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const url = new URL(path, "https://store");
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const rest = parts.slice(parts[0] === "api" ? 2 : 3);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? (rest[1] ?? "") : "";
  const [plural = "", name = "", subresource = ""] = namespace === "" ? rest : rest.slice(2);
  const target = { plural, namespace, name, subresource, query: url.searchParams };
  if (parsed.size < 1000) parsed.set(path, target);
  return target;
}

function matches(target: Target, object: Json): boolean {
  const metadata = object.metadata as { namespace?: string };
  if (target.namespace !== "" && metadata.namespace !== target.namespace) return false;
  const selector = target.query.get("fieldSelector");
  if (selector === null || selector === "") return true;
  const [path = "", wanted] = selector.split("=");
  const value = path.split(".").reduce<unknown>((at, key) => (at as Json | undefined)?.[key], object);
  return value === wanted;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function mergePatch(base: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

const byType = (list: unknown): Map<string, Json> =>
  new Map((list as Json[] | undefined)?.map((item) => [String(item.type), item]) ?? []);

/** Server-side apply's merge: objects by field, conditions by type, other lists as a whole. */
function merge(base: unknown, own: unknown, field = ""): unknown {
  if (field === "conditions") return [...new Map([...byType(base), ...byType(own)]).values()];
  if (!isObject(own)) return own;
  const result: Json = isObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(own)) if (value !== undefined) result[key] = merge(result[key], value, key);
  return result;
}

/** What a manager applied before and does not want any more goes. */
function takeAway(base: unknown, before: unknown, now: unknown): unknown {
  if (!isObject(base) || !isObject(before)) return base;
  const result: Json = { ...base };
  for (const [key, value] of Object.entries(before)) {
    const kept = (now as Json | undefined)?.[key];
    if (kept === undefined) delete result[key];
    else result[key] = takeAway(result[key], value, kept);
  }
  return result;
}

/** metadata.managedFields, as far as the status writer reads it. */
function withOwner(object: Json, manager: string | null, own: Json): Json {
  const metadata = object.metadata as Json;
  const others = ((metadata.managedFields as Json[] | undefined) ?? []).filter((entry) => entry.manager !== manager);
  const entry = { manager, operation: "Apply", subresource: "status", fieldsV1: fieldSet(own) };
  return { ...object, metadata: { ...metadata, managedFields: [...others, entry] } };
}

function fieldSet(value: unknown, field = ""): Json {
  if (field === "conditions")
    return Object.fromEntries([...byType(value).keys()].map((type) => [`k:${JSON.stringify({ type })}`, {}]));
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [`f:${key}`, fieldSet(inner, key)]));
}
