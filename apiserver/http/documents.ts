import { createHash } from "node:crypto";
import type { ServiceAccountTokens } from "../access/tokens/service-account-tokens.ts";
import { DISCOVERY_CONVERSIONS, negotiateOutput } from "../codec/media-type.ts";
import { aggregatedDiscovery } from "../discovery/aggregated.ts";
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from "../discovery/legacy.ts";
import type { OpenApi } from "../openapi/openapi.ts";
import type { Registry } from "../registry/registry.ts";
import { VERSION } from "../version.ts";
import { type HttpRequest, type HttpResponse, jsonResponse } from "./exchange.ts";

export interface DocumentSources {
  readonly registry: Registry;
  readonly openApi: OpenApi;
  /** `host:port` that clients reach this server by. */
  readonly serverAddress: () => string;
  /** For those who check ServiceAccount tokens without asking us. */
  readonly tokens: Pick<ServiceAccountTokens, "jwks" | "openIdConfiguration">;
}

/** Documents that describe the API: version, discovery, OpenAPI; `undefined`: the path is none of them. */
export async function documentResponse(
  sources: DocumentSources,
  request: HttpRequest,
): Promise<HttpResponse | undefined> {
  const issuer = await issuerResponse(sources, request.path);
  if (issuer !== undefined) return issuer;
  const parts = request.path.split("/").filter((part) => part !== "");
  const [root, group, version, ...rest] = parts;
  if (root === "version" && parts.length === 1) return jsonResponse(200, VERSION);
  if (root === "openapi") return openApiResponse(sources, request, parts.slice(1));
  if (rest.length > 0) return undefined;
  if (root === "api" || root === "apis") {
    if (group === undefined) return rootDiscovery(sources, request, root);
    const document =
      root === "api"
        ? version === undefined && apiResourceList(sources.registry, "", group)
        : version === undefined
          ? apiGroup(sources.registry, group)
          : apiResourceList(sources.registry, group, version);
    return document ? jsonResponse(200, document) : undefined;
  }
  return undefined;
}

/** OpenID Connect Discovery 1.0, as far as tokens of ServiceAccounts go. */
async function issuerResponse({ tokens }: DocumentSources, path: string): Promise<HttpResponse | undefined> {
  const headers = { "cache-control": "public, max-age=3600" };
  if (path === "/.well-known/openid-configuration") return jsonResponse(200, tokens.openIdConfiguration(), headers);
  if (path !== "/openid/v1/jwks") return undefined;
  return jsonResponse(200, await tokens.jwks(), { ...headers, "content-type": "application/jwk-set+json" });
}

function rootDiscovery(sources: DocumentSources, request: HttpRequest, root: "api" | "apis"): HttpResponse {
  const { registry } = sources;
  const output = negotiateOutput(request.header("accept"), {
    conversions: DISCOVERY_CONVERSIONS,
    echoConversion: true,
  });
  if (output.as === undefined) {
    const legacy = root === "api" ? apiVersions(sources.serverAddress()) : apiGroupList(registry);
    return jsonResponse(200, legacy, { vary: "Accept" });
  }
  const version = output.as.version === "v2" ? "v2" : "v2beta1";
  const text = JSON.stringify(aggregatedDiscovery(registry, root, version));
  const hash = createHash("sha512").update(text).digest("hex").toUpperCase();
  return withEtag(request, hash, text, {
    "content-type": output.contentType,
    vary: "Accept",
    "cache-control": "public",
  });
}

function openApiResponse(
  sources: DocumentSources,
  request: HttpRequest,
  path: readonly string[],
): HttpResponse | undefined {
  const [version, ...rest] = path;
  if (version === "v2" && rest.length === 0) return openApiV2Response(sources, request);
  if (version !== "v3") return undefined;
  if (rest.length === 0) return jsonResponse(200, sources.openApi.index());
  const document = sources.openApi.document(rest.join("/"));
  if (document === undefined) return undefined;
  const headers = { "content-type": "application/json", vary: "Accept" };
  const wanted = request.query.get("hash");
  if (wanted === null || wanted === "") return withEtag(request, document.hash, document.text, headers);
  if (wanted !== document.hash) {
    const location = `${request.path}?hash=${document.hash}`;
    return { status: 301, headers: { location }, body: "" };
  }
  // The URL names the content: it can be kept for ever.
  return withEtag(request, document.hash, document.text, {
    ...headers,
    "cache-control": "public, immutable",
    expires: "Fri, 01 Jan 2100 00:00:00 GMT",
  });
}

const V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** Under the name that clients ask for it by, which is no media type by the grammar, and under the later one. */
function openApiV2Response({ openApi }: DocumentSources, request: HttpRequest): HttpResponse {
  const accepted = request.header("accept") ?? "";
  const protobuf = /^\s*application\/com\.github\.proto-openapi\.spec\.v2[.@]v1\.0\+protobuf\b/.test(accepted);
  if (!protobuf) negotiateOutput(accepted, { conversions: [] });
  const { body, hash } = openApi.v2(protobuf ? "protobuf" : "json");
  return withEtag(request, hash, body, { "content-type": protobuf ? V2_PROTOBUF : "application/json", vary: "Accept" });
}

function withEtag(
  request: HttpRequest,
  hash: string,
  body: HttpResponse["body"],
  headers: HttpResponse["headers"],
): HttpResponse {
  const etag = `"${hash}"`;
  const known = (request.header("if-none-match") ?? "").split(",").map((each) => each.trim().replace(/^W\//, ""));
  if (known.includes(etag)) return { status: 304, headers: { ...headers, etag }, body: "" };
  return { status: 200, headers: { ...headers, etag }, body };
}
