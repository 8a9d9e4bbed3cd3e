import { createHash } from "node:crypto";
import { groupOf, groups, type GroupVersion } from "../discovery/groups.ts";
import type { Registry } from "../registry/registry.ts";
import { openApiDocument } from "./document.ts";
import { openApiV2 } from "./v2-document.ts";
import { encodeV2 } from "./v2-protobuf.ts";

interface Document {
  readonly text: string;
  readonly hash: string;
}

/** Protobuf of gnostic's messages, or JSON. */
export type V2Form = "json" | "protobuf";

/** The OpenAPI documents of all that is served; each is made when it is first asked for after a change. */
export class OpenApi {
  readonly #registry: Registry;
  readonly #version: string;
  #generation = -1;
  #groupVersions = new Map<string, GroupVersion>();
  #documents = new Map<string, Document>();

  constructor(registry: Registry, version: string) {
    this.#registry = registry;
    this.#version = version;
  }

  /** `/openapi/v3`: where each document is, with its hash in the URL so that clients can keep it for ever. */
  index(): object {
    this.#refresh();
    const entries = [...this.#groupVersions.keys()].sort().map((path) => {
      const url = `/openapi/v3/${path}?hash=${this.document(path)?.hash ?? ""}`;
      return [path, { serverRelativeURL: url }];
    });
    return { paths: Object.fromEntries(entries) };
  }

  /** `path` is `api/v1` or `apis/<group>/<version>`; `undefined`: not served. */
  document(path: string): Document | undefined {
    this.#refresh();
    const known = this.#documents.get(path);
    const groupVersion = this.#groupVersions.get(path);
    if (known !== undefined || groupVersion === undefined) return known;
    const text = JSON.stringify(openApiDocument(groupVersion, this.#version));
    const made = { text, hash: createHash("sha512").update(text).digest("hex").toUpperCase() };
    this.#documents.set(path, made);
    return made;
  }

  /** `/openapi/v2`: everything in one document. Seldom asked for and large: made anew each time, and not kept. */
  v2(form: V2Form): { readonly body: string | Buffer; readonly hash: string } {
    this.#refresh();
    const documents = [...this.#groupVersions.values()].map((each) => openApiDocument(each, this.#version));
    const document = openApiV2(documents, this.#version);
    const body = form === "json" ? JSON.stringify(document) : Buffer.from(encodeV2(document));
    return { body, hash: createHash("sha512").update(body).digest("hex").toUpperCase() };
  }

  #refresh(): void {
    if (this.#generation === this.#registry.generation) return;
    this.#generation = this.#registry.generation;
    const all = [groupOf(this.#registry, ""), ...groups(this.#registry)].flatMap(({ versions }) => versions);
    this.#groupVersions = new Map(all.map((each) => [pathOf(each), each]));
    this.#documents = new Map();
  }
}

const pathOf = ({ group, version }: GroupVersion): string =>
  group === "" ? `api/${version}` : `apis/${group}/${version}`;
