import { BlockList, isIPv6 } from "node:net";
import type { Command, Executor } from "../command/types.ts";
import type { Plan, Step } from "../driver.ts";
import { parseServerReport, type ServerReport } from "./report.ts";

export const NBD_PORT = 10_809;

const PROGRAM = "/usr/lib/ferrite/nbd-sessions";
const RUN = "/run/ferrite/nbd";
/** Above the time that a session is given to end. */
const CUT_TIMEOUT_MS = 40_000;

/** The argv that prints a line whenever nbd-server or a session of it came or went. */
export const WATCH_SESSIONS: Command["argv"] = ["perl", PROGRAM, "watch"];

/** An export as this host should serve it. */
export interface DesiredExport {
  /** Name of its files: unique on the host. */
  readonly key: string;
  /** What clients ask for. */
  readonly exportName: string;
  readonly device: string;
  readonly readOnly: boolean;
  /** Addresses and networks that may connect; nobody when empty. */
  readonly allowed: readonly string[];
  /** Address of this host that nbd-server listens on. */
  readonly listenAddress: string;
}

export interface ObservedServer extends ServerReport {
  readonly config: string | undefined;
  readonly exportConfig: string | undefined;
  readonly allowList: string | undefined;
}

const call = (mutates: boolean, ...args: string[]): Command => ({
  kind: "run",
  argv: ["perl", PROGRAM, ...args],
  mutates,
  timeoutMs: CUT_TIMEOUT_MS,
});

const exportPath = (key: string) => `${RUN}/conf.d/${key}.conf`;
const allowPath = (key: string) => `${RUN}/${key}.allow`;

export async function observeServer(key: string, exec: Executor, signal: AbortSignal): Promise<ObservedServer> {
  const { stdout } = await exec.run(call(false, "list"), signal);
  return {
    ...parseServerReport(stdout),
    config: await exec.read(`${RUN}/config`, signal),
    exportConfig: await exec.read(exportPath(key), signal),
    allowList: await exec.read(allowPath(key), signal),
  };
}

const mainConfig = (listenAddress: string): string => `[generic]
user = root
group = root
listenaddr = ${listenAddress}
port = ${NBD_PORT}
includedir = ${RUN}/conf.d
`;

/**
 * `sync`: each write is on stable storage before it is acknowledged, for this host's page cache dies with it. `$PPID` is
 * the process that will serve the client.
 */
const exportConfig = ({ key, exportName, device, readOnly }: DesiredExport): string => `[${exportName}]
exportname = ${device}
authfile = ${allowPath(key)}
readonly = ${readOnly}
sync = true
flush = true
fua = true
prerun = exec perl ${PROGRAM} admit ${key} $PPID 2>>${RUN}/refused.log
`;

/** The agent read the list of clients from the API at this time of the machine's uptime: new writers may come. */
export async function writePermit(
  key: string,
  uptimeSeconds: number,
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  await exec.write({ kind: "write", path: `${RUN}/${key}.permit`, content: `${uptimeSeconds}\n` }, signal);
}

/**
 * The list of clients is written before anything listens, and before those that are no longer on it are cut: they
 * cannot come back. Sessions of other exports go on while nbd-server is started anew.
 */
export function planExport(desired: DesiredExport, observed: ObservedServer): Plan {
  const { key, exportName } = desired;
  const steps: Step[] = [];
  const write = (why: string, path: string, content: string, present: string | undefined) => {
    if (present !== content) steps.push({ why, effect: { kind: "write", path, content, mode: 0o600 } });
  };
  const allowed = desired.allowed.map((each) => `${each}\n`).join("");
  write(`let ${desired.allowed.join(", ") || "nobody"} use ${exportName}`, allowPath(key), allowed, observed.allowList);
  write("write nbd-server's configuration", `${RUN}/config`, mainConfig(desired.listenAddress), observed.config);
  write(`offer ${desired.device} as ${exportName}`, exportPath(key), exportConfig(desired), observed.exportConfig);
  if (
    steps.some(({ effect }) => effect.kind === "write" && effect.path !== allowPath(key)) ||
    observed.listener !== "current"
  )
    steps.push({ why: "start nbd-server with it", effect: call(true, "serve") });
  const mode = desired.readOnly ? "ro" : "rw";
  const unwanted = observed.sessions.filter(
    (session) => session.key === key && (session.mode !== mode || !isAllowed(session.address, desired.allowed)),
  );
  steps.push(...cut(key, unwanted));
  return { kind: "steps", steps };
}

const cut = (key: string, sessions: ServerReport["sessions"]): Step[] =>
  sessions.map(({ pid, address }) => ({ why: `cut off ${address}`, effect: call(true, "cut", key, `${pid}`) }));

/** Withdraws what is configured under the key: first nobody new can come, then those that are there are cut. */
export function planWithdrawal(key: string, observed: ObservedServer): Plan {
  const steps: Step[] = [];
  const others = observed.exports.some((each) => each !== key);
  const configured = observed.exportConfig !== undefined;
  if (configured) steps.push({ why: `offer ${key} no longer`, effect: call(true, "withdraw", key) });
  if (others && (configured || observed.listener === "outdated"))
    steps.push({ why: "start nbd-server without it", effect: call(true, "serve") });
  if (!others && observed.listener !== "none") steps.push({ why: "stop nbd-server", effect: call(true, "stop") });
  const sessions = observed.sessions.filter((session) => session.key === key);
  steps.push(...cut(key, sessions));
  // Without the file everybody would be allowed: it outlives the listener that reads it.
  if (steps.length === 0 && observed.allowList !== undefined)
    steps.push({ why: `forget the clients of ${key}`, effect: call(true, "forget", key) });
  return { kind: "steps", steps };
}

/** Whether an address is on a list of addresses and networks; nobody is on an empty one. */
function isAllowed(address: string, allowed: readonly string[]): boolean {
  const list = new BlockList();
  for (const each of allowed) {
    const [network = "", prefix] = each.split("/");
    const family = isIPv6(network) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(prefix), family);
  }
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
