import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { hostname } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { saveIdentity, saveKubeconfig, identityFiles } from "../agent/identity.ts";
import { requestIdentity } from "../agent/join.ts";
import { fileMailbox } from "../agent/drbd-mailbox.ts";
import { runAgent } from "../agent/start.ts";
import { httpsTransport } from "../client/https-transport.ts";
import { loadKubeconfigFile } from "../client/kubeconfig/file.ts";
import { RestClient } from "../client/rest.ts";
import { followLocal, localExecutor } from "../executors/command/local.ts";
import { loggedExecutor } from "../executors/command/logged.ts";
import type { Executor } from "../executors/command/types.ts";
import { qemuHypervisor } from "../executors/vm/qemu/hypervisor.ts";
import { xenHypervisor } from "../executors/vm/xen/hypervisor.ts";
import { isControlDomain, mountXenfs } from "../executors/vm/xen/info.ts";
import { systemClock } from "../machinery/clock.ts";
import { createLogger } from "../machinery/log.ts";
import { systemRandom } from "../machinery/random.ts";

interface AgentFlags {
  readonly stateDir: string;
  readonly hostName: string;
  readonly address: string;
  readonly drbdHelper: string;
  readonly leaseSeconds: number;
  readonly logLevel: string;
}

interface JoinFlags {
  readonly server: string;
  readonly token: string;
  readonly caFile: string;
  readonly stateDir: string;
  readonly hostName: string;
}

const STATE_DIR = "/var/lib/ferrite";
/** A host is named by the first label of its host name. */
const defaultHostName = (): string => hostname().split(".")[0] ?? hostname();

export function addAgentCommands(program: Command): void {
  program
    .command("agent")
    .description("run this machine's agent; as root, after `ferrite join`")
    .requiredOption("--address <ip>", "address at which other hosts reach this one")
    .option("--state-dir <path>", "identity and memory of the agent", STATE_DIR)
    .option("--host-name <name>", "name of this host's Host object", defaultHostName())
    .option("--drbd-helper <path>", "program that the DRBD module calls", "/usr/lib/ferrite/drbd-helper")
    .option("--lease-seconds <n>", "silence after which this host counts as lost", parseSeconds, 6)
    .option("--log-level <level>", "trace, debug, info, warn, error", "info")
    .action((flags: AgentFlags) => agent(flags));
  program
    .command("join")
    .description("obtain this machine's certificate with a one-use token")
    .requiredOption("--server <url>", "URL of the API, such as https://192.0.2.1:6443", parseUrl)
    .requiredOption("--token <token>", "one-use token for this host: id.secret")
    .requiredOption("--ca-file <path>", "certificate of the API's authority, PEM")
    .option("--state-dir <path>", "where the identity is kept", STATE_DIR)
    .option("--host-name <name>", "name of this host's Host object", defaultHostName())
    .action((flags: JoinFlags) => join(flags));
}

function parseUrl(text: string): string {
  if (!/^https:\/\/[^/]+$/.test(text)) throw new InvalidArgumentError("must be https://host:port");
  return text;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 3) throw new InvalidArgumentError("must be whole seconds, at least 3");
  return seconds;
}

function untilSignalled(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new Error(signal)));
  return stop.signal;
}

/** By then the agent has gone through all that it does again and again; the next start finds it compiled. */
const COMPILED_MS = 30_000;

/** There when systemd runs the machine: sd_booted(3). */
const SYSTEMD = "/run/systemd/system";

async function agent(flags: AgentFlags): Promise<void> {
  const log = createLogger({ level: flags.logLevel, name: "agent" });
  const connection = await loadKubeconfigFile(identityFiles(flags.stateDir).kubeconfig);
  const { transport, close } = httpsTransport(connection);
  const exec = loggedExecutor(localExecutor, systemClock, log);
  // Node writes it at a good end only, and an agent that is killed or loses its power has none.
  const stop = untilSignalled();
  const cancelFlush = systemClock.schedule(COMPILED_MS, flushCompileCache);
  try {
    await runAgent(
      {
        ...flags,
        transport,
        exec,
        follow: followLocal,
        mailbox: fileMailbox(),
        hypervisors: await hypervisors(exec, stop),
        clock: systemClock,
        random: systemRandom,
        log,
        helperPath: flags.drbdHelper,
        version: packageJson.version,
      },
      stop,
    );
  } finally {
    cancelFlush();
    close();
  }
}

async function hypervisors(exec: Executor, signal: AbortSignal) {
  const systemd = existsSync(SYSTEMD);
  const KVM = qemuHypervisor({ exec, clock: systemClock, systemd });
  await mountXenfs(exec, signal);
  if (!(await isControlDomain(exec, signal))) return { KVM };
  return { KVM, Xen: xenHypervisor({ exec, follow: followLocal, systemd }) };
}

async function join(flags: JoinFlags): Promise<void> {
  const signal = untilSignalled();
  const authorityPem = await readFile(flags.caFile, "utf8");
  const credentials = async () => ({ token: flags.token });
  const { transport, close } = httpsTransport({ servers: [flags.server], ca: authorityPem, credentials });
  try {
    const client = new RestClient({ transport, clock: systemClock, userAgent: "ferrite-join" });
    const identity = await requestIdentity(client, flags.hostName, systemClock, signal);
    await saveIdentity(flags.stateDir, identity, localExecutor, signal);
    await saveKubeconfig(flags.stateDir, { server: flags.server, authorityPem }, localExecutor, signal);
    process.stdout.write(`${flags.hostName} has joined; start its agent: systemctl enable --now ferrite-agent\n`);
  } finally {
    close();
  }
}
