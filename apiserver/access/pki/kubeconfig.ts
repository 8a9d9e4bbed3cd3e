import { stringify } from "yaml";
import type { KeyAndCertificate } from "./certificates.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A kubeconfig with one cluster, user and context. `server` is a URL, `caPem` what its certificate is signed by. */
export function renderKubeconfig(config: {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  readonly caPem: string;
  readonly credentials: KeyAndCertificate | { readonly token: string };
}): string {
  const { cluster, user, credentials } = config;
  const login =
    "token" in credentials
      ? { token: credentials.token }
      : {
          "client-certificate-data": base64(credentials.certificatePem),
          "client-key-data": base64(credentials.keyPem),
        };
  const context = `${user}@${cluster}`;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: cluster, cluster: { server: config.server, "certificate-authority-data": base64(config.caPem) } },
    ],
    users: [{ name: user, user: login }],
    contexts: [{ name: context, context: { cluster, user } }],
    "current-context": context,
  });
}
