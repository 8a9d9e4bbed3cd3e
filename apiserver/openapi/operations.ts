/** The kind that an operation is about. */
export interface Target {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Takes strategic merge patches. */
  readonly builtin?: boolean;
}

export interface Operation {
  readonly verb: "list" | "create" | "deletecollection" | "get" | "update" | "patch" | "delete";
  /** Schemas; `body` is absent where none is read. */
  readonly body?: object;
  readonly answer: object;
}

const METHODS = {
  list: "get",
  get: "get",
  create: "post",
  update: "put",
  patch: "patch",
  delete: "delete",
  deletecollection: "delete",
} as const;

/** What OpenAPI calls the action: kubectl looks for these. */
const ACTIONS = { ...METHODS, list: "list", deletecollection: "deletecollection" } as const;

const query = (name: string, type: string, description: string): object => ({
  name,
  in: "query",
  description,
  schema: { type, uniqueItems: true },
});

const DRY_RUN = query("dryRun", "string", "All: do everything but the write.");
const MANAGER = query("fieldManager", "string", "Who writes, for managedFields.");
const VALIDATION = query("fieldValidation", "string", "Ignore, Warn or Strict: what to do with unknown fields.");
const FORCE = query("force", "boolean", "Take fields over from other managers; for apply patches.");
const LISTING = [
  query("labelSelector", "string", "Labels of the wanted objects."),
  query("fieldSelector", "string", "Fields of the wanted objects."),
  query("limit", "integer", "Objects in one page."),
  query("continue", "string", "Token of the next page."),
  query("resourceVersion", "string", "The revision to show, or after which to watch."),
  query("resourceVersionMatch", "string", "Exact or NotOlderThan."),
  query("watch", "boolean", "Stream changes."),
  query("allowWatchBookmarks", "boolean", "Send bookmarks in the stream."),
  query("sendInitialEvents", "boolean", "Begin the stream with the current state."),
  query("timeoutSeconds", "integer", "Seconds after which the stream ends."),
];

const PARAMETERS: Readonly<Record<Operation["verb"], readonly object[]>> = {
  list: LISTING,
  get: [],
  create: [DRY_RUN, MANAGER, VALIDATION],
  update: [DRY_RUN, MANAGER, VALIDATION],
  patch: [DRY_RUN, MANAGER, VALIDATION, FORCE],
  delete: [DRY_RUN, query("propagationPolicy", "string", "Orphan, Background or Foreground.")],
  deletecollection: [...LISTING, DRY_RUN],
};

const PATCHES = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
/** kubectl apply sends what it finds here: custom resources take no strategic merge patch. */
const BUILTIN_PATCHES = [...PATCHES, "application/strategic-merge-patch+json"];

/** One entry of a path item: method and operation object. */
export function operation(
  { group, version, kind, builtin = false }: Target,
  { verb, body, answer }: Operation,
): [string, object] {
  const types = verb !== "patch" ? ["*/*"] : builtin ? BUILTIN_PATCHES : PATCHES;
  const content = (schema: object, mediaTypes: readonly string[]): object =>
    Object.fromEntries(mediaTypes.map((type) => [type, { schema }]));
  const description = {
    tags: [group === "" ? "core" : group],
    description: `${verb} ${kind}`,
    parameters: PARAMETERS[verb],
    ...(body === undefined ? {} : { requestBody: { content: content(body, types), required: verb !== "delete" } }),
    responses: { "200": { description: "OK", content: content(answer, ["application/json"]) } },
    "x-kubernetes-action": ACTIONS[verb],
    "x-kubernetes-group-version-kind": { group, version, kind },
  };
  return [METHODS[verb], description];
}
