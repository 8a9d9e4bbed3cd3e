import { dirname } from "node:path";
import type { Clock } from "../../../machinery/clock.ts";
import { CommandError } from "../../command/errors.ts";
import type { Command, Executor } from "../../command/types.ts";
import { logTail } from "../console-log.ts";
import {
  type GuestSpec,
  type GuestState,
  type Hypervisor,
  HypervisorError,
  type Inspection,
  type Instance,
  StartError,
} from "../guest.ts";
import { connectCard } from "../network.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { qemuArgv, tapName } from "./command-line.ts";
import { guestFiles, RUN } from "./files.ts";
import { type Monitor, monitorEvents, withMonitor } from "./monitor.ts";
import { identityOf, listQemu, type QemuProcess, recordedPids } from "./processes.ts";

export interface QemuOptions {
  readonly exec: Executor;
  readonly clock: Clock;
  /** Of one conversation with a monitor; emulated machines under load need more than real ones. */
  readonly monitorTimeoutMs?: number;
  /** Whether systemd runs the machine (sd_booted(3)). */
  readonly systemd: boolean;
}

const MONITOR_TIMEOUT_MS = 10_000;
/** Reading a kernel and an image of memory from a slow disk. */
const START_TIMEOUT_MS = 60_000;

/** Found again in /proc, never in a memory of ours: a restart of the agent changes nothing. */
interface QemuInstance extends Instance {
  readonly process: QemuProcess;
  readonly monitor: string | undefined;
}

/** Guests of QEMU, on KVM where it works and emulated where it does not. Each lives in a scope of its own. */
export function qemuHypervisor(options: QemuOptions): Hypervisor {
  const { exec, clock } = options;
  const find = async (): Promise<readonly QemuInstance[]> => {
    const recorded = await recordedPids(RUN);
    return (await listQemu("/proc")).map((process) => instanceOf(process, recorded));
  };
  /** The same process as was seen, if it is still there. */
  const again = async (instance: Instance) => (await find()).find(({ id }) => id === instance.id);
  const talk = async <T>(instance: Instance, what: (monitor: Monitor) => Promise<T>, signal: AbortSignal) => {
    const there = await again(instance);
    if (there?.monitor === undefined || there.process.dying)
      throw new HypervisorError(`${instance.name ?? instance.id} has no monitor that answers`);
    const timeoutMs = options.monitorTimeoutMs ?? MONITOR_TIMEOUT_MS;
    return withMonitor(there.monitor, { clock, timeoutMs }, what, signal);
  };
  const kill = async (instance: Instance, signal: AbortSignal) => {
    const there = await again(instance);
    if (there === undefined || there.process.dying) return;
    await exec.run(run("kill", "-KILL", `${there.process.pid}`), signal);
  };
  return {
    list: find,
    async inspect(instance, signal) {
      const there = await again(instance);
      if (there === undefined || there.process.dying) return { ...SILENT, state: "dying" };
      try {
        return await talk(instance, inspect, signal);
      } catch (error) {
        if (!(error instanceof HypervisorError)) throw error;
        return { ...SILENT, detail: error.message };
      }
    },
    prepare: (spec, signal) => prepare(spec, options, signal),
    async resume(instance, { uid, networks }, signal) {
      for (const [index, { bridge }] of networks.entries())
        await connectCard(tapName(uid, index), bridge, exec, signal);
      await talk(instance, (monitor) => monitor.execute("cont"), signal);
    },
    async askToShutDown(instance, signal) {
      await talk(instance, (monitor) => monitor.execute("system_powerdown"), signal);
    },
    async balloon(instance, memoryBytes, signal) {
      await talk(instance, (monitor) => monitor.execute("balloon", { value: memoryBytes }), signal);
    },
    destroy: kill,
    async *follow({ uid }, signal) {
      // Only what was started here has a monitor for events; the others' belong to who started them.
      if (uid !== undefined) yield* monitorEvents(guestFiles(uid, "").events, signal);
    },
    freeMemory: (signal) => availableMemory(exec, signal),
    consoleCommand: (uid) => `socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:${guestFiles(uid, "").console}`,
    async consoleTail(uid, signal) {
      const name = (await exec.read(`${RUN}/${uid}/name`, signal))?.trim();
      if (name === undefined) return "";
      return logTail(guestFiles(uid, name).consoleLog, exec, signal);
    },
    forget: async (uid, signal) => void (await exec.run(run("rm", "-rf", `${RUN}/${uid}`), signal)),
  };
}

const run = (...argv: Command["argv"]): Command => ({ kind: "run", argv, mutates: true });

const SILENT: Inspection = { state: "unknown", detail: undefined, memoryBytes: undefined, accelerated: undefined };

function instanceOf(process: QemuProcess, recorded: ReadonlyMap<number, string>): QemuInstance {
  const { uuid, name, monitor } = identityOf(process.argv);
  return {
    uid: uuid ?? (process.dying ? recorded.get(process.pid) : undefined),
    name,
    id: `${process.pid}/${process.startTicks}`,
    process,
    monitor,
  };
}

/** Names of QEMU's states (qapi/run-state.json) as ours. */
const STATES: Readonly<Record<string, GuestState>> = {
  prelaunch: "prepared",
  running: "running",
  paused: "paused",
  "io-error": "ioError",
  suspended: "paused",
  shutdown: "shuttingDown",
  "guest-panicked": "crashed",
  "internal-error": "crashed",
  inmigrate: "paused",
  "finish-migrate": "paused",
  postmigrate: "paused",
  "restore-vm": "paused",
  "save-vm": "paused",
  debug: "paused",
  watchdog: "paused",
  colo: "running",
};

async function inspect(monitor: Monitor): Promise<Inspection> {
  const { status = "" } = (await monitor.execute("query-status")) as { status?: string };
  const kvm = (await monitor.execute("query-kvm")) as { enabled?: boolean };
  return {
    state: STATES[status] ?? "unknown",
    detail: status,
    memoryBytes: await ballooned(monitor),
    accelerated: kvm.enabled,
  };
}

/** A guest that was not started by us may have no balloon. */
async function ballooned(monitor: Monitor): Promise<number | undefined> {
  try {
    return ((await monitor.execute("query-balloon")) as { actual?: number }).actual;
  } catch (error) {
    if (error instanceof HypervisorError) return undefined;
    throw error;
  }
}

/** With systemd in a scope of its own, so that the end of the agent's unit is not the guest's end too. */
async function prepare(spec: GuestSpec, { exec, systemd }: QemuOptions, signal: AbortSignal): Promise<void> {
  const files = guestFiles(spec.uid, spec.name);
  await exec.run(run("mkdir", "-p", "-m", "700", files.directory, dirname(files.consoleLog)), signal);
  const [program, ...args] = qemuArgv(spec, files, await chooseAccelerator(exec, signal));
  await exec.write({ kind: "write", path: `${files.directory}/name`, content: `${spec.name}\n` }, signal);
  const command = systemd
    ? run("systemd-run", "--scope", "--quiet", "--collect", `--unit=ferrite-guest-${spec.uid}`, program, ...args)
    : run(program, ...args);
  try {
    await exec.run({ ...command, timeoutMs: START_TIMEOUT_MS }, signal);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    const said = cause.output.stderr.trim().split("\n").slice(-4).join("; ");
    throw new StartError("StartFailed", `QEMU did not start it: ${said || cause.message}`, { cause });
  }
}

/** What can be given away without swapping. */
async function availableMemory(exec: Executor, signal: AbortSignal): Promise<number> {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await exec.read("/proc/meminfo", signal)) ?? "")?.[1];
  if (kibibytes === undefined) throw new HypervisorError("/proc/meminfo does not say how much memory is available");
  return Number(kibibytes) * 1024;
}
