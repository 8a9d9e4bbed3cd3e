import { describe, expect, it } from "vitest";
import {
  bodyType,
  DISCOVERY_CONVERSIONS,
  negotiateOutput,
  parseAccept,
  patchType,
  TABLE_CONVERSIONS,
} from "../../../../apiserver/codec/media-type.ts";

const resources = { conversions: TABLE_CONVERSIONS };
const discovery = { conversions: DISCOVERY_CONVERSIONS, echoConversion: true };
const KUBECTL_GET =
  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

describe("negotiateOutput", () => {
  it.each([
    [undefined, "application/json", undefined],
    ["", "application/json", undefined],
    ["*/*", "application/json", undefined],
    ["application/*", "application/json", undefined],
    [KUBECTL_GET, "application/json", "Table"],
    ["application/vnd.kubernetes.protobuf,application/json", "application/json", undefined],
    ["application/yaml", "application/yaml", undefined],
    ["application/json;q=0.5, application/yaml", "application/yaml", undefined],
    ["application/json;as=Unknown;v=v1;g=meta.k8s.io,application/json;q=0.1", "application/json", undefined],
    [
      "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
      "application/json",
      "PartialObjectMetadataList",
    ],
    ["text/html, application/xhtml+xml, */*;q=0.8", "application/json", undefined],
  ])("answers Accept %j with %s as %s", (accept, mediaType, kind) => {
    const negotiated = negotiateOutput(accept, resources);
    expect([negotiated.mediaType, negotiated.as?.kind]).toEqual([mediaType, kind]);
    expect(negotiated.contentType).toBe(mediaType);
  });

  it("repeats the conversion of discovery in the content type", () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    expect(negotiateOutput(accept, discovery).contentType).toBe(
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    );
    expect(negotiateOutput("application/json", discovery).contentType).toBe("application/json");
  });

  it.each([
    "text/html",
    "application/vnd.kubernetes.protobuf",
    "application/json;q=0",
    "application/json;as=Table;v=v9",
    "nonsense",
  ])("refuses Accept %j", (accept) => {
    expect(() => negotiateOutput(accept, resources)).toThrow(
      "only the following media types are accepted: application/json, application/yaml",
    );
  });

  it("frames watches as JSON only", () => {
    expect(negotiateOutput("application/json;stream=watch", { ...resources, watch: true }).mediaType).toBe(
      "application/json",
    );
    expect(() => negotiateOutput("application/yaml", { ...resources, watch: true })).toThrow(
      "application/json;stream=watch",
    );
    expect(() => negotiateOutput("application/json;stream=watch", resources)).toThrow("only the following");
  });

  it("reads quoted parameters and drops malformed elements", () => {
    const [only, ...rest] = parseAccept('a/b;p="x,y;\\"z";Q=0.25, , /x, a/b/c');
    expect(rest).toEqual([]);
    expect(only).toEqual({ type: "a", subtype: "b", params: new Map([["p", 'x,y;"z']]), quality: 0.25 });
  });
});

describe("bodyType", () => {
  it.each([
    [undefined, "application/json"],
    ["application/json; charset=utf-8", "application/json"],
    ["Application/YAML", "application/yaml"],
    ["application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf"],
  ])("takes %j as %s", (header, type) => expect(bodyType(header, { protobuf: true })).toBe(type));

  it("refuses protobuf for custom resources", () => {
    expect(() => bodyType("application/vnd.kubernetes.protobuf", { protobuf: false })).toThrow(
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
    );
  });
});

describe("patchType", () => {
  it("refuses strategic merge patches of custom resources with the list that kubectl shows", () => {
    expect(() => patchType("application/strategic-merge-patch+json", { strategic: false })).toThrow(
      "the body of the request was in an unknown format - accepted media types include: " +
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    );
    expect(patchType("application/strategic-merge-patch+json; x=y", { strategic: true })).toBe(
      "application/strategic-merge-patch+json",
    );
  });

  it("needs a content type", () => expect(() => patchType(undefined, { strategic: true })).toThrow("unknown format"));
});
