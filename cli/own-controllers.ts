import { hostname } from "node:os";
import type { KeyAndCertificate } from "../apiserver/access/pki/certificates.ts";
import { httpsTransport } from "../client/https-transport.ts";
import { startControllers } from "../controllers/start.ts";
import { systemClock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { systemRandom } from "../machinery/random.ts";

export interface OwnControllersOptions {
  /** Of the server in this process. */
  readonly url: string;
  readonly certificateAuthority: string;
  readonly identity: KeyAndCertificate;
  readonly log: Logger;
}

/**
 * The controllers of `ferrite server`: clients like any other, by HTTPS, with a certificate of their own. On several
 * servers one of them leads.
 */
export function startOwnControllers(options: OwnControllersOptions): { readonly stop: () => Promise<void> } {
  const { url, certificateAuthority, identity, log } = options;
  const { transport, close } = httpsTransport({
    servers: [url],
    ca: certificateAuthority,
    credentials: async () => ({ cert: identity.certificatePem, key: identity.keyPem }),
  });
  const controllers = startControllers({
    transport,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ name: "controllers" }),
    instance: hostname(),
  });
  return {
    async stop() {
      await controllers.stop();
      close();
    },
  };
}
