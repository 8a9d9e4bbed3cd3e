import { ApiError } from "../status.ts";

export const JSON_TYPE = "application/json";
export const YAML_TYPE = "application/yaml";
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

export const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
] as const;
export type PatchType = (typeof PATCH_TYPES)[number];

export type BodyType = typeof JSON_TYPE | typeof YAML_TYPE | typeof PROTOBUF_TYPE;

/** One element of an Accept header: `application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9`. Names are in lower case. */
export interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly params: ReadonlyMap<string, string>;
  /** 0 to 1. */
  readonly quality: number;
}

/** What an answer may be turned into, by the parameters as, g and v of the Accept header. */
export interface Conversion {
  readonly kind: string;
  readonly group: string;
  readonly version: string;
}

export interface Negotiated {
  readonly mediaType: typeof JSON_TYPE | typeof YAML_TYPE;
  /** Undefined: the object as it is. */
  readonly as: Conversion | undefined;
  readonly pretty: boolean;
  /** For the Content-Type header; carries as, g and v only where `Offer.echoConversion` says so (discovery). */
  readonly contentType: string;
}

export interface Offer {
  /** Conversions this endpoint knows; the first fitting element of the Accept header wins. */
  readonly conversions: readonly Conversion[];
  /** Repeat as, g and v in the Content-Type: discovery does, tables do not. */
  readonly echoConversion?: boolean;
  /** Streams: YAML cannot be framed. */
  readonly watch?: boolean;
}

const metaKind = (kind: string, version: string): Conversion => ({ kind, group: "meta.k8s.io", version });

/** get, list and watch of resources. */
export const TABLE_CONVERSIONS: readonly Conversion[] = ["v1", "v1beta1"].flatMap((version) => [
  metaKind("Table", version),
  metaKind("PartialObjectMetadata", version),
  metaKind("PartialObjectMetadataList", version),
]);

/** /api and /apis. */
export const DISCOVERY_CONVERSIONS: readonly Conversion[] = ["v2", "v2beta1"].map((version) => ({
  kind: "APIGroupDiscoveryList",
  group: "apidiscovery.k8s.io",
  version,
}));

/**
 * Picks the answer's form by the Accept header: the order of preference is q, then the order of the header. No
 * header, or an empty one, means JSON. Throws NotAcceptable (406) when nothing fits.
 */
export function negotiateOutput(accept: string | undefined, offer: Offer): Negotiated {
  if (accept === undefined || accept.trim() === "") return answer(JSON_TYPE, undefined, false, offer);
  for (const range of parseAccept(accept)) {
    const found = range.quality > 0 ? tryRange(range, offer) : undefined;
    if (found !== undefined) return found;
  }
  throw notAcceptable(offer);
}

function tryRange(range: MediaRange, offer: Offer): Negotiated | undefined {
  const mediaType = [JSON_TYPE, YAML_TYPE].find((offered) => matches(range, offered)) as Negotiated["mediaType"];
  if (mediaType === undefined || (offer.watch === true && mediaType === YAML_TYPE)) return undefined;
  const stream = range.params.get("stream") ?? "";
  if (stream !== "" && !(stream === "watch" && offer.watch === true)) return undefined;
  const wanted = wantedConversion(range);
  const as = wanted && offer.conversions.find((known) => sameConversion(known, wanted));
  if (wanted !== undefined && as === undefined) return undefined;
  return answer(mediaType, as, range.params.get("pretty") === "1", offer);
}

function matches({ type, subtype }: MediaRange, offered: string): boolean {
  if (type === "*") return subtype === "*";
  return subtype === "*" ? offered.startsWith(`${type}/`) : offered === `${type}/${subtype}`;
}

function wantedConversion({ params }: MediaRange): Conversion | undefined {
  if (!params.has("as") && !params.has("g") && !params.has("v")) return undefined;
  return { kind: params.get("as") ?? "", group: params.get("g") ?? "", version: params.get("v") ?? "" };
}

function sameConversion(a: Conversion, b: Conversion): boolean {
  return a.kind === b.kind && a.group === b.group && a.version === b.version;
}

function answer(
  mediaType: Negotiated["mediaType"],
  as: Conversion | undefined,
  pretty: boolean,
  offer: Offer,
): Negotiated {
  const echo = as !== undefined && offer.echoConversion === true;
  const contentType = echo ? `${mediaType};g=${as.group};v=${as.version};as=${as.kind}` : mediaType;
  return { mediaType, as, pretty, contentType };
}

function notAcceptable(offer: Offer): ApiError {
  const types = offer.watch === true ? [`${JSON_TYPE};stream=watch`] : [JSON_TYPE, YAML_TYPE];
  return new ApiError("NotAcceptable", `only the following media types are accepted: ${types.join(", ")}`);
}

/** The elements of an Accept header, most wanted first. Malformed elements are dropped, as other servers do. */
export function parseAccept(header: string): readonly MediaRange[] {
  const ranges = splitOutsideQuotes(header, ",").map(parseRange);
  // A stable sort: equal q keeps the order of the header.
  return ranges.filter((range) => range !== undefined).sort((a, b) => b.quality - a.quality);
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function parseRange(text: string): MediaRange | undefined {
  const [range = "", ...rest] = splitOutsideQuotes(text, ";");
  const [type = "", subtype = "", ...more] = range.trim().toLowerCase().split("/");
  if (!TOKEN.test(type) || !TOKEN.test(subtype) || more.length > 0) return undefined;
  const params = new Map(rest.map(parseParameter).filter((pair) => pair !== undefined));
  const quality = parseQuality(params.get("q"));
  params.delete("q");
  return { type, subtype, params, quality };
}

function parseParameter(text: string): [string, string] | undefined {
  const at = text.indexOf("=");
  const name = text
    .slice(0, at < 0 ? undefined : at)
    .trim()
    .toLowerCase();
  if (!TOKEN.test(name)) return undefined;
  const value = at < 0 ? "" : text.slice(at + 1).trim();
  return [name, value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value];
}

function parseQuality(text: string | undefined): number {
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (quoted && char === "\\") part += char + text.charAt(++i);
    else if (char === separator && !quoted) {
      parts.push(part);
      part = "";
    } else {
      if (char === '"') quoted = !quoted;
      part += char;
    }
  }
  return [...parts, part];
}

/**
 * The encoding of a POST, PUT or DELETE body. No Content-Type means JSON (kubectl scale sends none). Throws
 * UnsupportedMediaType (415); custom resources take no protobuf.
 */
export function bodyType(contentType: string | undefined, accepts: { readonly protobuf: boolean }): BodyType {
  const offered: BodyType[] = [JSON_TYPE, YAML_TYPE, ...(accepts.protobuf ? ([PROTOBUF_TYPE] as const) : [])];
  if (contentType === undefined || contentType.trim() === "") return JSON_TYPE;
  const range = parseRange(contentType);
  const found = offered.find((type) => range !== undefined && type === `${range.type}/${range.subtype}`);
  if (found === undefined) throw unsupported(offered);
  return found;
}

/** The kind of a PATCH by its Content-Type. Throws UnsupportedMediaType; strategic merge is for built-in kinds only. */
export function patchType(contentType: string | undefined, accepts: { readonly strategic: boolean }): PatchType {
  const offered = PATCH_TYPES.filter((type) => accepts.strategic || type !== "application/strategic-merge-patch+json");
  const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  const found = offered.find((known) => known === type);
  if (found === undefined) throw unsupported(offered);
  return found;
}

function unsupported(offered: readonly string[]): ApiError {
  const types = offered.join(", ");
  return new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${types}`,
  );
}
