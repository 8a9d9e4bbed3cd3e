import type { Command, Executor } from "./command/types.ts";
import type { Plan } from "./driver.ts";

export type ExportProtocol = "NBD" | "ISCSI" | "NVMeTCP";

/** CHAP's; of NVMe's DH-HMAC-CHAP the password alone is used, a key in the form DHHC-1:… */
export interface ExportSecret {
  readonly username: string;
  readonly password: string;
}

/** Who may connect. */
export interface ExportClient {
  /** An address, or a network where the protocol knows clients by address. */
  readonly address: string;
  readonly iqn?: string;
  readonly nqn?: string;
  readonly readOnly: boolean;
}

/** An export as this host should serve it. */
export interface DesiredExport {
  /** Names it on the host. */
  readonly key: string;
  /** What clients ask for: export name, IQN or NQN. */
  readonly target: string;
  /** The same on every host that may serve it: clients take a device of another identity for another device. A UUID. */
  readonly identity: string;
  readonly device: string;
  readonly readOnly: boolean;
  /** Nobody when empty. */
  readonly clients: readonly ExportClient[];
  /** Address of this host that is listened on. */
  readonly listenAddress: string;
  /** Tells the two hosts that may serve a mirror apart. */
  readonly side: 0 | 1;
  readonly secret?: ExportSecret;
}

/** Where clients find an export, and who is connected. */
export interface Offer {
  readonly port: number;
  readonly clients: readonly { readonly address: string; readonly port: number; readonly sinceSeconds?: number }[];
}

/** What is there of one export on this host. */
export interface ObservedExport {
  /** What brings it to what is desired; who is not on the list any more is cut off, and gone when the steps are done. */
  plan(desired: DesiredExport): Plan;
  /** What takes all of it away: first nobody new can come, then those that are there are cut. */
  planWithdrawal(): Plan;
  offer(): Offer;
  /** The list of clients was read by quorum after this was observed: those on it may begin to write. */
  permit(exec: Executor, signal: AbortSignal): Promise<void>;
}

/** How a host serves exports of one protocol. Write-through always: what was acknowledged outlives the host. */
export interface ExportServer {
  /** The argv that prints a line whenever a client came or went. */
  readonly watch: Command["argv"];
  observe(key: string, exec: Executor, signal: AbortSignal): Promise<ObservedExport>;
}
