import type { StorageChange } from "../../apiserver/storage/types.ts";
import type { KubeObject } from "../../machinery/object.ts";

/**
 * What happened to a collection, as its watchers must have seen it. Each event is one text,
 * `MODIFIED name@resourceVersion step`, so that logs are compared as a whole.
 */
export interface Event {
  readonly type: string;
  readonly name: string;
  readonly revision: number;
  /** From the object, so that the right revision with the wrong content is found too. */
  readonly step: string;
}

export const describeEvent = ({ type, name, revision, step }: Event): string => `${type} ${name}@${revision} ${step}`;

/** Of the objects that these tests write: the note of which change it was. */
export const stepOf = ({ metadata }: KubeObject): string => metadata.annotations?.["step"] ?? "";

export function eventOf(type: string, object: KubeObject): Event {
  const { name = "", resourceVersion } = object.metadata;
  return { type, name, revision: Number(resourceVersion), step: stepOf(object) };
}

/** The events of a watch over everything that `matches`, of all that etcd tells about the collection from its beginning. */
export function eventsOf(
  changes: readonly StorageChange[],
  matches: (object: KubeObject) => boolean = () => true,
): readonly Event[] {
  const there = new Map<string, KubeObject>();
  const events: Event[] = [];
  for (const { type, stored } of changes) {
    const { object, key } = stored;
    const before = there.get(key);
    const after = type === "put" && matches(object) ? object : undefined;
    if (after !== undefined) events.push(eventOf(before === undefined ? "ADDED" : "MODIFIED", after));
    // What leaves a selection is told as it was while it belonged to it, at the revision at which it left.
    else if (before !== undefined) events.push({ ...eventOf("DELETED", before), revision: stored.revision });
    if (after === undefined) there.delete(key);
    else there.set(key, after);
  }
  return events;
}

/** What is left after `events`: name and event that wrote it, sorted by name as lists are. */
export function stateAfter(events: readonly Event[]): readonly Event[] {
  const there = new Map<string, Event>();
  for (const event of events) {
    if (event.type === "DELETED") there.delete(event.name);
    else there.set(event.name, { ...event, type: "ADDED" });
  }
  return [...there.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Whether `lines` are what `kubectl get --watch --output-watch-events` may print: the state at some moment, then each
 * event from there on, without a gap and in order. It says nothing about the revision of its list: any will do.
 */
export function isListThenWatch(lines: readonly string[], events: readonly Event[]): boolean {
  for (let at = 0; at <= events.length; at += 1) {
    const state = stateAfter(events.slice(0, at));
    if (state.length > lines.length) continue;
    const wanted = [...state, ...events.slice(at, at + lines.length - state.length)].map(describeEvent);
    if (wanted.length === lines.length && wanted.every((line, index) => line === lines[index])) return true;
  }
  return false;
}

/** What is wrong with `events` of one object, given what its only writer was told. */
export function contradictions(
  { acknowledged, unknown }: { readonly acknowledged: readonly Event[]; readonly unknown: number },
  events: readonly Event[],
): readonly string[] {
  const known = new Map(events.map((event) => [`${event.type} ${event.step}`, event]));
  const lost = acknowledged.filter((event) => {
    const { revision } = known.get(`${event.type} ${event.step}`) ?? {};
    // A delete is acknowledged without its revision.
    return revision === undefined || (event.revision > 0 && event.revision !== revision);
  });
  const surplus = events.length - acknowledged.length;
  return [
    ...lost.map((event) => `acknowledged and not in the store: ${describeEvent(event)}`),
    ...(surplus > unknown ? [`${surplus} events were never acknowledged, of ${unknown} that may have been done`] : []),
  ];
}
