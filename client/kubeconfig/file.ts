import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { OperatorError } from "../../machinery/errors.ts";
import type { Connection, Credentials } from "../transport.ts";

/** A kubeconfig that cannot be used; the message names the file and the field. */
export class KubeconfigError extends OperatorError {
  override readonly retry = "never";
  readonly reason = "InvalidKubeconfig";
}

interface Cluster {
  readonly server?: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "tls-server-name"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
}

interface User {
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly [other: string]: unknown;
}

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly { readonly name: string; readonly context?: { cluster?: string; user?: string } }[];
  readonly clusters?: readonly { readonly name: string; readonly cluster?: Cluster }[];
  readonly users?: readonly { readonly name: string; readonly user?: User }[];
}

/** Ways to log in that need client-node (`kubeconfig/client-node.ts`). */
const UNSUPPORTED = ["exec", "auth-provider", "username", "password"];

/**
 * Loads the small kubeconfig of an agent: certificates, keys and tokens as files or inline. Credential files are read
 * again whenever they change, so that a renewed certificate serves the next connection.
 */
export async function loadKubeconfigFile(path: string): Promise<Connection> {
  const config = await parseFile(path);
  const name = config["current-context"];
  const context = config.contexts?.find((each) => each.name === name)?.context;
  if (context === undefined) throw new KubeconfigError(`${path}: current-context ${JSON.stringify(name)} is not there`);
  const cluster = config.clusters?.find((each) => each.name === context.cluster)?.cluster;
  if (!cluster?.server) throw new KubeconfigError(`${path}: cluster ${JSON.stringify(context.cluster)} has no server`);
  const user = config.users?.find((each) => each.name === context.user)?.user ?? {};
  const unsupported = UNSUPPORTED.find((field) => user[field] !== undefined);
  if (unsupported !== undefined)
    throw new KubeconfigError(`${path}: user ${context.user}: ${unsupported} cannot be used here; use a certificate`);
  const base = dirname(resolve(path));
  const ca = await read(base, cluster["certificate-authority-data"], cluster["certificate-authority"]);
  const serverName = cluster["tls-server-name"];
  return {
    servers: [cluster.server],
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { serverName }),
    insecureSkipTlsVerify: cluster["insecure-skip-tls-verify"] === true,
    credentials: credentials(base, user),
  };
}

async function parseFile(path: string): Promise<Kubeconfig> {
  const text = await readFile(path, "utf8");
  // Loaded here and not at the top: JSON, which our own tools write, needs no YAML parser in the agent's memory.
  const parsed: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  if (typeof parsed !== "object" || parsed === null) throw new KubeconfigError(`${path}: not a kubeconfig`);
  return parsed;
}

/** Data wins over a file, as in kubectl. */
async function read(base: string, data: string | undefined, file: string | undefined): Promise<Buffer | undefined> {
  if (data) return Buffer.from(data, "base64");
  return file ? readFile(resolve(base, file)) : undefined;
}

function credentials(base: string, user: User): () => Promise<Credentials> {
  const cert = source(base, user["client-certificate-data"], user["client-certificate"]);
  const key = source(base, user["client-key-data"], user["client-key"]);
  const token = user.token ? async () => Buffer.from(user.token ?? "") : source(base, undefined, user.tokenFile);
  return async () => {
    const [certNow, keyNow, tokenNow] = await Promise.all([cert(), key(), token()]);
    return {
      ...(certNow === undefined ? {} : { cert: certNow }),
      ...(keyNow === undefined ? {} : { key: keyNow }),
      ...(tokenNow === undefined ? {} : { token: tokenNow.toString("utf8").trim() }),
    };
  };
}

/** Reads once for inline data; a file again when its modification time or inode has changed. */
function source(base: string, data?: string, file?: string): () => Promise<Buffer | undefined> {
  if (data || !file) {
    const fixed = data ? Buffer.from(data, "base64") : undefined;
    return async () => fixed;
  }
  const path = resolve(base, file);
  let seen = "";
  let content: Buffer | undefined;
  return async () => {
    const { mtimeMs, ino } = await stat(path);
    if (seen !== `${ino} ${mtimeMs}`) {
      content = await readFile(path);
      seen = `${ino} ${mtimeMs}`;
    }
    return content;
  };
}
