import { X509Certificate } from "node:crypto";
import type { RestClient } from "../client/rest.ts";
import type { Executor } from "../executors/command/types.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { type HostIdentity, requestIdentity } from "./join.ts";

/** Files of an agent's identity, below its state directory. */
export const identityFiles = (stateDir: string) => ({
  credentials: `${stateDir}/agent.pem`,
  authority: `${stateDir}/ca.pem`,
  kubeconfig: `${stateDir}/agent.kubeconfig`,
});

/** Key and certificate go into one file, so that a crash never leaves one without the other. */
export async function saveIdentity(
  stateDir: string,
  identity: HostIdentity,
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  const content = `${identity.keyPem.trim()}\n${identity.certificatePem.trim()}\n`;
  await exec.write({ kind: "write", path: identityFiles(stateDir).credentials, content, mode: 0o600 }, signal);
}

/** The agent's way to the API, as a kubeconfig that `kubectl` takes too. */
export async function saveKubeconfig(
  stateDir: string,
  api: { readonly server: string; readonly authorityPem: string },
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  const files = identityFiles(stateDir);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "agent",
    contexts: [{ name: "agent", context: { cluster: "ferrite", user: "agent" } }],
    clusters: [{ name: "ferrite", cluster: { server: api.server, "certificate-authority": files.authority } }],
    users: [{ name: "agent", user: { "client-certificate": files.credentials, "client-key": files.credentials } }],
  };
  await exec.write({ kind: "write", path: files.authority, content: api.authorityPem, mode: 0o644 }, signal);
  const content = `${JSON.stringify(config, null, 2)}\n`;
  await exec.write({ kind: "write", path: files.kubeconfig, content, mode: 0o600 }, signal);
}

const CHECK_MS = 3_600_000;

/** Renews the certificate at two thirds of its life, for as long as the agent runs; failures are tried again. */
export async function keepIdentity(
  parts: {
    readonly stateDir: string;
    readonly hostName: string;
    readonly client: Pick<RestClient, "create" | "get">;
    readonly exec: Executor;
    readonly clock: Clock;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { stateDir, hostName, client, exec, clock, log } = parts;
  while (!signal.aborted) {
    try {
      const text = await exec.read(identityFiles(stateDir).credentials, signal);
      if (text !== undefined && isDue(text, clock.now())) {
        await saveIdentity(stateDir, await requestIdentity(client, hostName, clock, signal), exec, signal);
        log.info("renewed the certificate");
      }
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, "could not renew the certificate");
    }
    await sleep(clock, CHECK_MS, signal).catch(() => undefined); // only the signal rejects
  }
}

/** Whether two thirds of the certificate's life are over. */
export function isDue(pem: string, now: Date): boolean {
  const certificate = new X509Certificate(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")));
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  return now.getTime() >= from + ((to - from) * 2) / 3;
}
