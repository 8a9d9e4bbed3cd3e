import { createPrivateKey, generateKeyPairSync, randomUUID, type webcrypto } from "node:crypto";
import type { ApiObject } from "../client/api-object.ts";
import type { RestClient } from "../client/rest.ts";
import { HOST_USER_PREFIX, HOSTS_GROUP } from "../crds/constants.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import { TerminalError } from "../machinery/errors.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

interface CertificateSigningRequest extends ApiObject {
  readonly spec: { readonly signerName: string; readonly request: string; readonly usages: readonly string[] };
  readonly status?: {
    readonly certificate?: string;
    readonly conditions?: readonly { readonly type: string; readonly reason?: string; readonly message?: string }[];
  };
}

const REQUESTS: ResourceType<CertificateSigningRequest> = {
  group: "certificates.k8s.io",
  version: "v1",
  kind: "CertificateSigningRequest",
  plural: "certificatesigningrequests",
  namespaced: false,
};

const POLL_MS = 500;

/** A key and the certificate that the API's authority signed for it; PEM. */
export interface HostIdentity {
  readonly keyPem: string;
  readonly certificatePem: string;
}

/**
 * Asks for the certificate of a host: with a one-use bootstrap token when it joins, with its present certificate when
 * it renews. The key is made here and never leaves the machine. Throws TerminalError when the request is denied.
 */
export async function requestIdentity(
  client: Pick<RestClient, "create" | "get">,
  hostName: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<HostIdentity> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const request = Buffer.from(await signingRequest(keyPem, hostName)).toString("base64");
  const name = `ferrite-host-${hostName}-${randomUUID().slice(0, 8)}`;
  const spec = { signerName: "ferrite.dev/host", request, usages: ["client auth", "digital signature"] };
  await client.create(REQUESTS, { metadata: { name }, spec }, signal);
  for (;;) {
    const { status } = await client.get(REQUESTS, { name }, signal);
    if (status?.certificate)
      return { keyPem, certificatePem: Buffer.from(status.certificate, "base64").toString("utf8") };
    const refusal = status?.conditions?.find(({ type }) => type === "Denied" || type === "Failed");
    if (refusal !== undefined)
      throw new TerminalError(
        "JoinRefused",
        `the certificate for ${hostName} was refused: ${refusal.message ?? refusal.reason}`,
      );
    await sleep(clock, POLL_MS, signal);
  }
}

/** A PKCS #10 request, PEM. The library is loaded only here: it is needed once in months. */
async function signingRequest(keyPem: string, hostName: string): Promise<string> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const der = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
  const privateKey = await crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y } as webcrypto.JsonWebKey, algorithm, true, [
    "verify",
  ]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: [HOSTS_GROUP] }, { CN: [HOST_USER_PREFIX + hostName] }],
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
  });
  return request.toString("pem");
}
