import { BlockList, isIPv6 } from "node:net";
import type { Command, Executor } from "../command/types.ts";
import type { Plan, Step } from "../driver.ts";
import type { DesiredExport, ExportServer } from "../export-server.ts";
import { parseServerReport, type ServerReport } from "./report.ts";

export const NBD_PORT = 10_809;

const PROGRAM = "/usr/lib/ferrite/nbd-sessions";
const RUN = "/run/ferrite/nbd";
/** Above the time that a session is given to end. */
const CUT_TIMEOUT_MS = 40_000;

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

/** nbd-server and its sessions; clients are known by address. */
export const nbdServer: ExportServer = {
  watch: ["perl", PROGRAM, "watch"],
  async observe(key, exec, signal) {
    const observed = await observeServer(key, exec, signal);
    return {
      plan: (desired) => planExport(desired, observed),
      planWithdrawal: () => planWithdrawal(key, observed),
      offer: () => ({ port: NBD_PORT, clients: observed.sessions.filter((session) => session.key === key) }),
      // nbd-sessions lets no new writer in when this is too old, by the machine's uptime.
      async permit(to, abort) {
        const content = `${observed.uptimeSeconds}\n`;
        await to.write({ kind: "write", path: `${RUN}/${key}.permit`, content }, abort);
      },
    };
  },
};

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
const exportConfig = ({ key, target, device, readOnly }: DesiredExport): string => `[${target}]
exportname = ${device}
authfile = ${allowPath(key)}
readonly = ${readOnly}
sync = true
flush = true
fua = true
prerun = exec perl ${PROGRAM} admit ${key} $PPID 2>>${RUN}/refused.log
`;

/**
 * The list of clients is written before anything listens, and before those that are no longer on it are cut: they
 * cannot come back. Sessions of other exports go on while nbd-server is started anew.
 */
export function planExport(desired: DesiredExport, observed: ObservedServer): Plan {
  const { key, target } = desired;
  const steps: Step[] = [];
  const write = (why: string, path: string, content: string, present: string | undefined) => {
    if (present !== content) steps.push({ why, effect: { kind: "write", path, content, mode: 0o600 } });
  };
  const allowed = [...new Set(desired.clients.map(({ address }) => address))].sort();
  const list = allowed.map((each) => `${each}\n`).join("");
  write(`let ${allowed.join(", ") || "nobody"} use ${target}`, allowPath(key), list, observed.allowList);
  write("write nbd-server's configuration", `${RUN}/config`, mainConfig(desired.listenAddress), observed.config);
  write(`offer ${desired.device} as ${target}`, exportPath(key), exportConfig(desired), observed.exportConfig);
  if (
    steps.some(({ effect }) => effect.kind === "write" && effect.path !== allowPath(key)) ||
    observed.listener !== "current"
  )
    steps.push({ why: "start nbd-server with it", effect: call(true, "serve") });
  const mode = desired.readOnly ? "ro" : "rw";
  const unwanted = observed.sessions.filter(
    (session) => session.key === key && (session.mode !== mode || !isAllowed(session.address, allowed)),
  );
  steps.push(...cut(key, unwanted));
  return { kind: "steps", steps };
}

const cut = (key: string, sessions: ServerReport["sessions"]): Step[] =>
  sessions.map(({ pid, address }) => ({ why: `cut off ${address}`, effect: call(true, "cut", key, `${pid}`) }));

/** One step: somebody waits for the device. Nobody new can come, then those that are there are cut. */
export function planWithdrawal(key: string, observed: ObservedServer): Plan {
  const present =
    observed.exportConfig !== undefined ||
    observed.allowList !== undefined ||
    observed.sessions.some((session) => session.key === key);
  const steps = present ? [{ why: `offer ${key} no longer`, effect: call(true, "end", key) }] : [];
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
