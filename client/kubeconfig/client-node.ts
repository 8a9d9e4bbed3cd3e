import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { Connection, Credentials } from "../transport.ts";
import { KubeconfigError } from "./file.ts";

/**
 * Finds the API as kubectl does: the given file, `$KUBECONFIG`, `~/.kube/config`, or the pod's service account. Exec
 * plugins and rotated tokens are asked again before each request (client-node caches them while they are valid).
 * Costs about 80 MB: for controllers, not for agents (`file.ts`).
 */
export async function loadKubeconfig(path?: string): Promise<Connection> {
  const config = new KubeConfig();
  if (path === undefined) config.loadFromDefault();
  else config.loadFromFile(path);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new KubeconfigError(`${path ?? "kubeconfig"}: the current context names no cluster`);
  const { ca } = await options(config);
  return {
    servers: [cluster.server],
    ...(ca === undefined ? {} : { ca: ca as string | Buffer }),
    ...(cluster.tlsServerName === undefined ? {} : { serverName: cluster.tlsServerName }),
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    credentials: () => credentials(config),
  };
}

async function credentials(config: KubeConfig): Promise<Credentials> {
  const { cert, key, headers } = await options(config);
  const authorization = (headers as Record<string, string> | undefined)?.Authorization;
  const bearer = /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
  return {
    ...(cert === undefined ? {} : { cert: cert as string | Buffer }),
    ...(key === undefined ? {} : { key: key as string | Buffer }),
    ...(bearer === undefined ? {} : { token: bearer }),
  };
}

async function options(config: KubeConfig): Promise<RequestOptions> {
  const found: RequestOptions = {};
  await config.applyToHTTPSOptions(found);
  return found;
}
