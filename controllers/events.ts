import type { ApiObject } from "../client/api-object.ts";
import { isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import { type Clock, formatTime } from "../machinery/clock.ts";
import type { EventInput, EventObject, EventRecorder } from "../machinery/event-recorder.ts";
import type { Logger } from "../machinery/log.ts";
import type { JsonObject } from "../machinery/object.ts";
import type { Random } from "../machinery/random.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

/** core/v1 Event: the form that `kubectl describe` reads. */
interface CoreEvent extends ApiObject {
  involvedObject: JsonObject;
  reason: string;
  message: string;
  type: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
}

const EVENTS: ResourceType<CoreEvent> = { group: "", version: "v1", kind: "Event", plural: "events", namespaced: true };

export interface ApiEventRecorderOptions {
  readonly client: Pick<RestClient, "create" | "patch">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Who reports, such as `ferrite-host-controller`. */
  readonly component: string;
  /** Which of several, such as the host's name. */
  readonly instance: string;
}

/** The limits of client-go's EventCorrelator. */
const SAME_REASON_LIMIT = 10;
const WINDOW_MS = 600_000;
const BURST = 25;
const REFILL_MS = 300_000;
const REMEMBERED = 4096;
const COMBINED = "(combined from similar events): ";

/** What was written for one object, type, reason and message. */
interface Series {
  readonly name: string;
  readonly namespace: string;
  readonly firstTimestamp: string;
  count: number;
}

/** Messages of one object and reason in the running window. */
interface Group {
  readonly startedMs: number;
  readonly messages: Set<string>;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

/**
 * Writes Events, in order, one request at a time. The same Event again counts up; after ten different messages for one
 * reason within ten minutes they fold into one; an object gets 25 at once and then one in five minutes.
 */
export class ApiEventRecorder implements EventRecorder {
  readonly #options: ApiEventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #groups = new Map<string, Group>();
  readonly #buckets = new Map<string, Bucket>();
  #tail: Promise<void> = Promise.resolve();

  constructor(options: ApiEventRecorderOptions) {
    this.#options = options;
  }

  record(object: EventObject, event: EventInput): void {
    if (!this.#takeToken(object)) return;
    const folded = this.#fold(object, event);
    this.#tail = this.#tail.then(() => this.#write(object, folded));
  }

  /** Resolves when all that was recorded before is written or lost. */
  flush(): Promise<void> {
    return this.#tail;
  }

  #takeToken(object: EventObject): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const bucket = remember(this.#buckets, identity(object), () => ({ tokens: BURST, filledMs: nowMs }));
    const refill = Math.floor((nowMs - bucket.filledMs) / REFILL_MS);
    bucket.tokens = Math.min(BURST, bucket.tokens + refill);
    bucket.filledMs += refill * REFILL_MS;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Answers with the Event, or with the one that stands for many when there were too many like it. */
  #fold(object: EventObject, event: EventInput): EventInput {
    const nowMs = this.#options.clock.monotonicMs();
    const key = [identity(object), event.type, event.reason].join("|");
    const known = this.#groups.get(key);
    if (known !== undefined && nowMs - known.startedMs > WINDOW_MS) this.#groups.delete(key);
    const group = remember(this.#groups, key, () => ({ startedMs: nowMs, messages: new Set<string>() }));
    if (group.messages.has(event.message)) return event;
    if (group.messages.size >= SAME_REASON_LIMIT) return { ...event, message: COMBINED + event.message };
    group.messages.add(event.message);
    return event;
  }

  async #write(object: EventObject, event: EventInput): Promise<void> {
    const combined = event.message.startsWith(COMBINED);
    const key = [identity(object), event.type, event.reason, combined ? COMBINED : event.message].join("|");
    try {
      const series = this.#series.get(key);
      if (series === undefined || !(await this.#countUp(series, event))) await this.#create(key, object, event);
    } catch (err) {
      this.#options.log.debug({ err, reason: event.reason }, "an Event was lost");
    }
  }

  /** False when the Event has expired on the server. */
  async #countUp(series: Series, event: EventInput): Promise<boolean> {
    const { client, clock } = this.#options;
    const count = series.count + 1;
    const body = { count, lastTimestamp: formatTime(clock.now()), message: event.message };
    try {
      await client.patch(EVENTS, series, { kind: "merge", body });
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    series.count = count;
    return true;
  }

  async #create(key: string, object: EventObject, event: EventInput): Promise<void> {
    const { client, clock, random, component, instance } = this.#options;
    const { namespace, name = "", uid, resourceVersion } = object.metadata;
    const now = formatTime(clock.now());
    const suffix = Buffer.from(random.bytes(8)).toString("hex");
    const series = { name: `${name}.${suffix}`, namespace: namespace || "default", firstTimestamp: now, count: 1 };
    await client.create(EVENTS, {
      metadata: { name: series.name, namespace: series.namespace },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        ...(namespace ? { namespace } : {}),
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
      },
      ...event,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    });
    remember(this.#series, key, () => series);
    this.#series.set(key, series);
  }
}

function identity({ kind, metadata }: EventObject): string {
  return [kind, metadata.namespace ?? "", metadata.name ?? "", metadata.uid ?? ""].join("|");
}

/** The value of a key, made when it is new; the oldest key makes room. */
function remember<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  const value = known ?? make();
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > REMEMBERED && oldest !== undefined) map.delete(oldest);
  return value;
}
