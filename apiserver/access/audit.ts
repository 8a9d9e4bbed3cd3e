import { createWriteStream, type WriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { once } from "node:events";
import { type Clock, formatMicroTime, sleep, systemClock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Attributes, User } from "./types.ts";

/** One answered request. No bodies: what the log does not get, it cannot leak. */
export interface AuditedRequest {
  readonly auditId: string;
  /** With impersonation, `impersonated` is who acted. */
  readonly user: User;
  readonly impersonated?: User | undefined;
  readonly attributes: Attributes;
  /** What the object in the body says of itself; names what was created where the path does not. */
  readonly sent?: SentObject | undefined;
  /** Path and query, as sent. */
  readonly requestUri: string;
  readonly sourceIps: readonly string[];
  readonly userAgent: string;
  readonly receivedAt: Date;
  readonly answeredAt: Date;
  readonly responseCode: number;
  readonly responseReason?: string | undefined;
  readonly decision: "allow" | "forbid";
  readonly reason: string;
}

/** Metadata of the object in a request's body. */
export interface SentObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

const READS = ["get", "list", "watch"];
/** Queries that never hold more than selectors, options and names. */
const SAFE_PARAMETERS = new Set([
  "allowWatchBookmarks",
  "continue",
  "dryRun",
  "fieldManager",
  "fieldSelector",
  "fieldValidation",
  "force",
  "gracePeriodSeconds",
  "includeObject",
  "labelSelector",
  "limit",
  "orphanDependents",
  "pretty",
  "propagationPolicy",
  "resourceVersion",
  "resourceVersionMatch",
  "sendInitialEvents",
  "timeout",
  "timeoutSeconds",
  "watch",
]);

/** Whether a request is recorded: every write, and every refusal of a known or unknown user. */
export const isAudited = ({ attributes, responseCode }: Pick<AuditedRequest, "attributes" | "responseCode">): boolean =>
  !READS.includes(attributes.verb) || responseCode === 401 || responseCode === 403;

/** The path with the parameters that are known to be harmless; a token sent by mistake in the query is not written down. */
function safeUri(requestUri: string): string {
  const [path = "", query] = requestUri.split("?", 2);
  if (query === undefined) return path;
  const kept = new URLSearchParams(query);
  for (const name of new Set(kept.keys())) if (!SAFE_PARAMETERS.has(name)) kept.set(name, "REDACTED");
  return `${path}?${kept.toString()}`;
}

const userInfo = (user: User): Record<string, unknown> => ({
  username: user.name,
  ...(user.uid === "" ? {} : { uid: user.uid }),
  groups: user.groups,
});

/** audit.k8s.io/v1 Event at level Metadata. */
export function auditEvent(request: AuditedRequest): Record<string, unknown> {
  const { attributes, responseReason } = request;
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: request.auditId,
    stage: "ResponseComplete",
    requestURI: safeUri(request.requestUri),
    verb: attributes.verb,
    user: userInfo(request.user),
    ...(request.impersonated === undefined ? {} : { impersonatedUser: userInfo(request.impersonated) }),
    sourceIPs: request.sourceIps,
    userAgent: request.userAgent,
    ...(attributes.resourceRequest ? { objectRef: objectRef(request) } : {}),
    responseStatus: { metadata: {}, code: request.responseCode, ...present({ reason: responseReason ?? "" }) },
    requestReceivedTimestamp: formatMicroTime(request.receivedAt),
    stageTimestamp: formatMicroTime(request.answeredAt),
    annotations: {
      "authorization.k8s.io/decision": request.decision,
      "authorization.k8s.io/reason": request.reason,
    },
  };
}

/** The path comes first, then the body (as in Kubernetes: a name that the server generates is in neither). */
function objectRef({ attributes, sent }: AuditedRequest): Record<string, string> {
  const { resource, apiGroup, apiVersion, subresource } = attributes;
  const namespace = attributes.namespace || (sent?.namespace ?? "");
  const name = attributes.name || (sent?.name ?? "");
  const { uid = "", resourceVersion = "" } = sent ?? {};
  return present({ resource, namespace, name, uid, apiGroup, apiVersion, resourceVersion, subresource });
}

function present(fields: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name in fields) if (fields[name] !== "") kept[name] = fields[name] ?? "";
  return kept;
}

export interface AuditLogOptions {
  readonly path: string;
  /** The file is renamed to `.1` when it has grown beyond this. */
  readonly maxBytes: number;
  /** Old files kept, `.1` the youngest. */
  readonly backups: number;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** How long lines are gathered: a write for each costs as much as a twentieth of the request. */
const GATHER_MS = 20;
/** What waits to be written while the disk is slow; beyond it the lines are dropped, and counted in the log. */
const MAX_WAITING = 10_000;

/**
 * Appends audit lines (JSON, one a line) to a file of mode 0600 and rotates it. Requests never wait for it; after a crash
 * the last lines may be missing or cut.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  #waiting: string[] = [];
  #dropped = 0;
  #stream: WriteStream | undefined;
  #sizeBytes = 0;
  #writing: Promise<void> | undefined;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  record(request: AuditedRequest): void {
    if (!isAudited(request)) return;
    if (this.#waiting.length >= MAX_WAITING) this.#dropped += 1;
    else this.#waiting.push(`${JSON.stringify(auditEvent(request))}\n`);
    this.#start();
  }

  /** A line that comes while the last write ends starts the next one. */
  #start(): void {
    if (this.#waiting.length === 0) return;
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
      this.#start();
    });
  }

  /** Resolves when everything recorded so far is in the file. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#closeStream();
  }

  async #drain(): Promise<void> {
    const { log, path } = this.#options;
    try {
      while (this.#waiting.length > 0) {
        await sleep(this.#options.clock ?? systemClock, GATHER_MS);
        const lines = this.#waiting.join("");
        this.#waiting = [];
        await this.#append(lines);
      }
    } catch (error) {
      log.error({ err: error, path }, "audit lines could not be written");
      await this.#closeStream().catch(() => undefined);
    }
    if (this.#dropped > 0)
      log.error({ path, dropped: this.#dropped }, "audit lines were dropped, the disk is too slow");
    this.#dropped = 0;
  }

  async #append(lines: string): Promise<void> {
    const stream = await this.#open();
    const bytes = Buffer.byteLength(lines);
    await new Promise<void>((resolve, reject) => stream.write(lines, (error) => (error ? reject(error) : resolve())));
    this.#sizeBytes += bytes;
    if (this.#sizeBytes >= this.#options.maxBytes) await this.#rotate();
  }

  async #open(): Promise<WriteStream> {
    if (this.#stream !== undefined) return this.#stream;
    const stream = createWriteStream(this.#options.path, { flags: "a", mode: 0o600 });
    await once(stream, "open");
    this.#sizeBytes = (await stat(this.#options.path)).size;
    // Errors come back through the write's callback; without a listener they would end the process.
    stream.on("error", () => undefined);
    return (this.#stream = stream);
  }

  async #rotate(): Promise<void> {
    const { path, backups } = this.#options;
    await this.#closeStream();
    await rm(`${path}.${backups}`, { force: true });
    for (let index = backups - 1; index >= 0; index--) {
      const from = index === 0 ? path : `${path}.${index}`;
      await rename(from, `${path}.${index + 1}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
    }
    if (backups === 0) await rm(path, { force: true });
  }

  async #closeStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) return;
    await new Promise<void>((resolve) => stream.end(resolve));
  }
}
