import { createHash } from "node:crypto";
import type { Command } from "./command/types.ts";
import type { Plan } from "./driver.ts";
import type { DesiredExport, ExportSecret, ExportServer, ObservedExport } from "./export-server.ts";
import { field, isBoolean, isNumber, isText, parseReport, records, texts } from "./report-fields.ts";

/** What `iscsi-target list` and `nvmet-target list` tell of one export. */
export interface TargetReport {
  readonly key: string;
  readonly target: string;
  /** Whether it is whole: a device that is enabled and a place that is listened on. */
  readonly serving: boolean;
  readonly readOnly: boolean;
  readonly device: string;
  readonly identity: string;
  readonly address: string;
  readonly port: number;
  /** Of the secret that clients are asked for; empty: none is asked for. */
  readonly fingerprint: string;
  /** In the words of `serve`. */
  readonly clients: readonly string[];
  readonly sessions: readonly { readonly address: string; readonly port: number }[];
}

export function parseTargetReport(text: string): readonly TargetReport[] {
  return records(parseReport(text), "exports").map((each) => ({
    key: field(each, "key", isText),
    target: field(each, "target", isText),
    serving: field(each, "serving", isBoolean),
    readOnly: field(each, "readOnly", isBoolean),
    device: field(each, "device", isText),
    identity: field(each, "identity", isText),
    address: field(each, "address", isText),
    port: field(each, "port", isNumber),
    fingerprint: field(each, "fingerprint", isText),
    clients: texts(each, "clients"),
    sessions: records(each, "sessions").map((session) => ({
      address: field(session, "address", isText),
      port: field(session, "port", isNumber),
    })),
  }));
}

/** Above the time that connections are given to end. */
const TIMEOUT_MS = 40_000;

/** What differs between the kernel's two targets. */
export interface KernelTarget {
  readonly program: string;
  /** Who may connect, in the words of `serve` and `list`. */
  clientWords(desired: DesiredExport): readonly string[];
  /** The arguments of `serve` between the key and the clients. */
  serveArguments(desired: DesiredExport): readonly string[];
}

/** An export that the kernel serves, set up in configfs by one of our programs. */
export function kernelTargetServer(target: KernelTarget): ExportServer {
  const call = (mutates: boolean, stdin: string, ...args: string[]): Command => ({
    kind: "run",
    argv: ["perl", target.program, ...args],
    mutates,
    timeoutMs: TIMEOUT_MS,
    stdin,
  });
  return {
    watch: ["perl", target.program, "watch"],
    async observe(key, exec, signal) {
      const { stdout } = await exec.run(call(false, "", "list"), signal);
      const report = parseTargetReport(stdout).find((each) => each.key === key);
      return observed(target, call, key, report);
    },
  };
}

function observed(
  target: KernelTarget,
  call: (mutates: boolean, stdin: string, ...args: string[]) => Command,
  key: string,
  report: TargetReport | undefined,
): ObservedExport {
  return {
    plan(desired): Plan {
      const words = target.clientWords(desired);
      if (report !== undefined && isAsDesired(desired, words, report)) return { kind: "steps", steps: [] };
      const { secret, device, target: name } = desired;
      const stdin = secret === undefined ? "" : `${secret.username}\n${secret.password}\n${fingerprint(secret)}\n`;
      const who = desired.clients.map(({ address }) => address).join(", ") || "nobody";
      const effect = call(true, stdin, "serve", key, ...target.serveArguments(desired), ...words);
      return { kind: "steps", steps: [{ why: `offer ${device} as ${name} to ${who}`, effect }] };
    },
    planWithdrawal: () => ({
      kind: "steps",
      steps: report === undefined ? [] : [{ why: `offer ${key} no longer`, effect: call(true, "", "withdraw", key) }],
    }),
    offer: () => ({ port: report?.port ?? 0, clients: report?.sessions ?? [] }),
    // One client alone may write: who comes back while the API is away is who was there.
    permit: () => Promise.resolve(),
  };
}

/** Tells that a secret was changed, from what is kept beside the target; the kernel does not give it back. */
const fingerprint = (secret: ExportSecret | undefined): string =>
  secret === undefined
    ? ""
    : createHash("sha256").update(`${secret.username}\n${secret.password}`).digest("hex").slice(0, 16);

function isAsDesired(desired: DesiredExport, words: readonly string[], report: TargetReport): boolean {
  return (
    report.serving &&
    report.target === desired.target &&
    report.device === desired.device &&
    report.identity === desired.identity &&
    report.address === desired.listenAddress &&
    report.readOnly === desired.readOnly &&
    report.fingerprint === fingerprint(desired.secret) &&
    [...report.clients].sort().join(" ") === [...words].sort().join(" ")
  );
}
