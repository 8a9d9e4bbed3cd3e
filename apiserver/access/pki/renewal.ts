import type { Logger } from "../../../machinery/log.ts";
import { ensurePki, type Pki, type PkiOptions } from "./ensure-pki.ts";

/** A leaf has months left when it is due: looking twice a day leaves many tries. */
const LOOK_MS = 12 * 3600 * 1000;

export interface RenewalOptions extends PkiOptions {
  readonly log: Logger;
  /** The server's certificate is another one now. */
  readonly onRenewed: (pki: Pki) => void;
}

/** Renews the certificates of a server that runs for longer than they last. The returned function ends it. */
export function keepPkiRenewed(options: RenewalOptions, current: Pki): () => void {
  const { clock, log, onRenewed } = options;
  let { certificatePem } = current.server;
  let stopped = false;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    try {
      const pki = await ensurePki(options);
      if (stopped || pki.server.certificatePem === certificatePem) return;
      ({ certificatePem } = pki.server);
      onRenewed(pki);
      log.info("the server's certificate has been renewed");
    } catch (error) {
      log.error({ err: error }, "certificates cannot be renewed");
    }
  };
  const schedule = (): void => {
    cancel = clock.schedule(LOOK_MS, () => void look().finally(() => stopped || schedule()));
  };
  schedule();
  return () => {
    stopped = true;
    cancel();
  };
}
