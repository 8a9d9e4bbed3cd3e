import { vi } from "vitest";
import {
  CertificateAuthority,
  newKeyPair,
  selfSignedAuthority,
} from "../../../../apiserver/access/pki/certificates.ts";
import type { Credentials } from "../../../../apiserver/access/types.ts";
import { type ApiServer, startServer } from "../../../../apiserver/server.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import type { Storage } from "../../../../apiserver/storage/types.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import type { KubeObject, OwnerReference } from "../../../../machinery/object.ts";
import { type Harness, startHarness } from "../harness.ts";

export interface World extends Harness {
  readonly storage: Storage;
  readonly second: ApiServer | undefined;
}

const keys = await newKeyPair();
export const AUTHORITY = new CertificateAuthority(
  await selfSignedAuthority(keys, "test-ca", new Date(), 10),
  keys.privateKey,
);

/** One server, or two on the same store. */
export async function startWorld(options: { servers?: 1 | 2; authority?: boolean } = {}): Promise<World> {
  const storage = new MemoryStorage(systemClock);
  const authority = options.authority === true ? { authority: AUTHORITY } : {};
  const harness = await startHarness(storage, authority);
  const second = options.servers === 2 ? await startServer({ storage, ...authority }) : undefined;
  return { ...harness, storage, second };
}

export async function stopWorld({ server, second }: World): Promise<void> {
  await Promise.all([server.stop(), second?.stop()]);
}

/** Waits until `check` does not throw. */
export const eventually = (check: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(check, { timeout: 8_000, interval: 10 });

export const ownedBy = (owner: KubeObject, block = false): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name!,
  uid: owner.metadata.uid!,
  ...(block ? { blockOwnerDeletion: true } : {}),
});

export const configMap = (
  name: string,
  owners: readonly OwnerReference[] = [],
  finalizers: readonly string[] = [],
): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ownerReferences: [...owners], finalizers: [...finalizers] },
});

/** A request by somebody else than the administrator; answers with status and object. */
export async function askAs(
  server: ApiServer,
  credentials: Partial<Credentials>,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: KubeObject }> {
  const url = new URL(path, "https://server");
  const response = await server.handle({
    method,
    path: url.pathname,
    query: url.searchParams,
    header: () => undefined,
    credentials: { certificate: undefined, bearerToken: undefined, ...credentials },
    body: () => Promise.resolve(Buffer.from(body === undefined ? "" : JSON.stringify(body))),
    signal: new AbortController().signal,
    remoteAddress: "127.0.0.1",
  });
  const chunks: string[] = [];
  if (typeof response.body === "string" || Buffer.isBuffer(response.body)) chunks.push(response.body.toString());
  else for await (const chunk of response.body) chunks.push(chunk.toString());
  return { status: response.status, body: JSON.parse(chunks.join("")) as KubeObject };
}
