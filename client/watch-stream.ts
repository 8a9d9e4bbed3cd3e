import type { JsonObject } from "../machinery/object.ts";
import { ProtocolError, statusError } from "./errors.ts";
import type { ApiObject } from "./api-object.ts";

/** One event of a watch. The object of a BOOKMARK holds nothing but its kind and `metadata.resourceVersion`. */
export interface WatchEvent<T extends ApiObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: T;
}

/** Longest event that is believed: etcd takes no object above 1.5 MiB, a few times that in JSON is far above any. */
const MAX_LINE_BYTES = 16 * 2 ** 20;
const NEWLINE = 0x0a;
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** Whether this bookmark ends the state that a streaming list sends first. */
export function isInitialEventsEnd(event: WatchEvent<ApiObject>): boolean {
  return event.type === "BOOKMARK" && event.object.metadata.annotations?.[INITIAL_EVENTS_END] === "true";
}

/**
 * Events of a watch body: one JSON object a line. An ERROR event is thrown as `ApiStatusError`, garbage as
 * `ProtocolError`. A last line without its end is the trace of a cut, and dropped.
 */
export async function* watchEvents<T extends ApiObject>(
  body: AsyncIterable<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(body, onBytes)) yield parseEvent<T>(line);
}

/** Splits at newlines before decoding, so that a character cut by a chunk's end stays whole. */
async function* lines(body: AsyncIterable<Uint8Array>, onBytes?: () => void): AsyncGenerator<string> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    onBytes?.();
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...pending, chunk.subarray(start, end)]).toString("utf8");
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.trim() !== "") yield line;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > MAX_LINE_BYTES) throw new ProtocolError(`a watch event of more than ${MAX_LINE_BYTES} bytes`);
  }
}

function parseEvent<T extends ApiObject>(line: string): WatchEvent<T> {
  const { type, object } = parseLine(line);
  if (type === "ERROR") throw statusError(Number(object?.code ?? 500), JSON.stringify(object));
  const known = type === "ADDED" || type === "MODIFIED" || type === "DELETED" || type === "BOOKMARK";
  const { resourceVersion } = (object?.metadata ?? {}) as { resourceVersion?: string };
  if (!known || typeof resourceVersion !== "string")
    throw new ProtocolError(`not a watch event with a resourceVersion: ${line.slice(0, 200)}`);
  return { type, object: object as unknown as T };
}

function parseLine(line: string): { type?: unknown; object?: JsonObject } {
  try {
    return JSON.parse(line) ?? {};
  } catch (cause) {
    throw new ProtocolError(`not a watch event: ${line.slice(0, 200)}`, { cause });
  }
}
