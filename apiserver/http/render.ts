import type { KubeObject } from "../../machinery/object.ts";
import type { Negotiated } from "../codec/media-type.ts";
import { apiVersionOf, type Presented } from "../objects/present.ts";
import type { PrinterColumn, Resource } from "../registry/types.ts";
import { ApiError } from "../status.ts";
import type { ListReply, Reply, WatchEvent } from "../verbs/call.ts";
import { compileTable, type IncludeObject, type ListMeta, type TableConverter } from "../table/table.ts";
import { toApiError } from "./errors.ts";
import { type HttpResponse, jsonResponse } from "./exchange.ts";

/** How the answer is written: negotiated form, and what of the objects goes into a Table's rows. */
export interface Rendering {
  readonly resource: Resource;
  readonly output: Negotiated;
  readonly includeObject: IncludeObject;
  readonly now: () => Date;
  /** Called with the first event that is asked for; what it returns, when the watch has ended. */
  readonly watchOpened: () => () => void;
}

export function renderReply(reply: Reply, rendering: Rendering): HttpResponse {
  if (reply.kind === "status") return jsonResponse(reply.code, reply.body);
  const code = reply.kind === "object" ? reply.code : 200;
  return { status: code, headers: JSON_HEADERS, body: renderBody(reply, rendering) };
}

function renderBody(reply: Exclude<Reply, { kind: "status" }>, rendering: Rendering): HttpResponse["body"] {
  if (reply.kind === "object") return renderObject(reply.object, rendering, reply.columns);
  return reply.kind === "list" ? renderList(reply, rendering) : renderWatch(reply.events, rendering);
}

export const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-cache, private" };

function renderObject(object: Presented, rendering: Rendering, columns = rendering.resource.printerColumns): string {
  const { as } = rendering.output;
  if (as === undefined) return object.text;
  if (as.kind === "Table") {
    const { resourceVersion = "" } = object.object.metadata;
    return tableText([object.object], { resourceVersion }, { ...rendering, columns });
  }
  if (as.kind === "PartialObjectMetadata") return partialText(object.object, as.version);
  throw new ApiError("NotAcceptable", `a single object cannot be shown as ${as.kind}`);
}

/** Objects of a list that are written at a time. */
const LIST_CHUNK = 200;

/**
 * A long list is written piece by piece, at the speed of its client: its text and the bytes of it would be several times
 * what the objects themselves take, and nobody else would be answered meanwhile.
 */
function renderList(list: ListReply, rendering: Rendering): HttpResponse["body"] {
  const { resource, output } = rendering;
  const metadata = {
    resourceVersion: list.resourceVersion,
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
  if (output.as?.kind === "Table") {
    return tableText(
      list.items.map(({ object }) => object),
      metadata,
      rendering,
    );
  }
  const partial = output.as?.kind === "PartialObjectMetadataList" ? output.as : undefined;
  const kind = partial?.kind ?? resource.listKind;
  const apiVersion = partial === undefined ? apiVersionOf(resource) : `${partial.group}/${partial.version}`;
  const head = JSON.stringify({ kind, apiVersion, metadata }).slice(0, -1);
  const textOf = (items: readonly Presented[]): string =>
    items.map((item) => (partial === undefined ? item.text : partialText(item.object, partial.version))).join(",");
  if (list.items.length <= LIST_CHUNK) return `${head},"items":[${textOf(list.items)}]}\n`;
  return listInPieces(`${head},"items":[`, list.items, textOf);
}

async function* listInPieces(
  head: string,
  items: readonly Presented[],
  textOf: (items: readonly Presented[]) => string,
): AsyncIterable<string> {
  for (let start = 0; start < items.length; start += LIST_CHUNK) {
    yield `${start === 0 ? head : ","}${textOf(items.slice(start, start + LIST_CHUNK))}`;
  }
  yield "]}\n";
}

const converters = new WeakMap<readonly PrinterColumn[], TableConverter>();

/** A Table with one row for each object; `noHeaders` for all but the first event of a watch. */
function tableText(
  objects: readonly KubeObject[],
  metadata: ListMeta,
  {
    resource,
    output,
    includeObject,
    now,
    columns = resource.printerColumns,
  }: Rendering & { columns?: readonly PrinterColumn[] },
  noHeaders = false,
): string {
  let converter = converters.get(columns);
  if (converter === undefined) converters.set(columns, (converter = compileTable(columns)));
  const table = converter.convert(objects, { now: now(), includeObject, noHeaders, metadata });
  return JSON.stringify({ ...table, apiVersion: `meta.k8s.io/${output.as?.version ?? "v1"}` });
}

const partialText = ({ metadata }: KubeObject, version: string): string =>
  JSON.stringify({ kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata });

/** One JSON text a line; whatever goes wrong becomes the last line. */
async function* renderWatch(
  batches: AsyncIterable<readonly WatchEvent[]>,
  rendering: Rendering,
): AsyncIterable<Buffer> {
  const closed = rendering.watchOpened();
  let first = true;
  try {
    for await (const events of batches) {
      const lines = events.map((event, index) => renderEvent(event, rendering, first && index === 0));
      first = false;
      const [only] = lines;
      yield lines.length === 1 && only !== undefined ? only : Buffer.concat(lines);
    }
  } catch (error) {
    yield errorLine(toApiError(error).toStatus());
  } finally {
    closed();
  }
}

type ObjectEvent = Exclude<WatchEvent, { type: "ERROR" | "BOOKMARK" }>;

const eventLine = (type: string, object: string): Buffer => Buffer.from(`{"type":"${type}","object":${object}}\n`);
const errorLine = (status: object): Buffer => eventLine("ERROR", JSON.stringify(status));

/** Lines of plain JSON watches: the same for all of them, so each is made once. */
const knownLines = new WeakMap<Presented, Map<string, Buffer>>();

function renderEvent(event: WatchEvent, rendering: Rendering, first: boolean): Buffer {
  if (event.type === "ERROR") return errorLine(event.status);
  if (event.type === "BOOKMARK") return bookmarkLine(event, rendering);
  const { as } = rendering.output;
  if (as?.kind === "Table") return tableEvent(event, rendering, first);
  if (as !== undefined) return eventLine(event.type, partialText(event.object.object, as.version));
  let known = knownLines.get(event.object);
  if (known === undefined) knownLines.set(event.object, (known = new Map()));
  let line = known.get(event.type);
  if (line === undefined) known.set(event.type, (line = eventLine(event.type, event.object.text)));
  return line;
}

function tableEvent({ type, object: { object } }: ObjectEvent, rendering: Rendering, first: boolean): Buffer {
  const { resourceVersion = "" } = object.metadata;
  return eventLine(type, tableText([object], { resourceVersion }, rendering, !first));
}

function bookmarkLine(event: Extract<WatchEvent, { type: "BOOKMARK" }>, { resource, output }: Rendering): Buffer {
  const annotations = event.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const metadata = { resourceVersion: event.resourceVersion, ...annotations };
  const { as } = output;
  const object: KubeObject =
    as === undefined || as.kind === "Table"
      ? { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata }
      : { kind: "PartialObjectMetadata", apiVersion: `${as.group}/${as.version}`, metadata };
  return eventLine("BOOKMARK", JSON.stringify(object));
}
