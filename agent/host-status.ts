import { StatusWriter } from "../controllers/status-writer.ts";
import type { RestClient } from "../client/rest.ts";
import { isAlreadyExists, isNotFound } from "../client/errors.ts";
import { HOSTS, type Host, type HostGuest, type HostStatus } from "../crds/generated/host.ts";
import type { Executor } from "../executors/command/types.ts";
import { type BlockDevice, observeDevices } from "../executors/host/devices.ts";
import { type Machine, observeMachine, observeTools, type Tools } from "../executors/host/machine.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import { setCondition } from "../machinery/conditions.ts";
import type { Logger } from "../machinery/log.ts";
import { formatBytes, parseBytes } from "../machinery/quantity.ts";

export interface HostStatusOptions {
  readonly client: Pick<RestClient, "get" | "create" | "apply">;
  readonly exec: Executor;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostName: string;
  /** Where others reach this host. */
  readonly address: string;
  readonly agentVersion: string;
  /** What runs here now. */
  readonly guests: (signal: AbortSignal) => Promise<readonly HostGuest[]>;
}

/** Disks come and go without telling us. */
const OBSERVE_MS = 15_000;
/** What is on them may change without the kernel's list of them changing. */
const DEVICES_MS = 120_000;
/** udev names a new disk a while after the kernel does. */
const SETTLE_MS = 30_000;
/** Tools change when packages are installed; to ask each of them for its version is the dearest part of a look. */
const TOOLS_MS = 600_000;

/** Registers the machine as a Host and reports what it has, again and again. */
export class HostReporter {
  readonly #options: HostStatusOptions;
  readonly #status: StatusWriter;
  #devices:
    | {
        readonly seenMs: number;
        readonly changedMs: number;
        readonly partitions: string | undefined;
        readonly devices: readonly BlockDevice[];
      }
    | undefined;
  #tools: { readonly seenMs: number; readonly tools: Tools } | undefined;

  constructor(options: HostStatusOptions) {
    this.#options = options;
    this.#status = new StatusWriter({ client: options.client, fieldManager: `ferrite-agent-${options.hostName}` });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.report(signal);
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "could not report the machine");
      }
      await sleep(clock, OBSERVE_MS, signal).catch(() => undefined); // only the signal rejects
    }
  }

  /** One look and one report. */
  async report(signal: AbortSignal): Promise<void> {
    const { exec } = this.#options;
    const host = await this.#host(signal);
    const [machine, tools, devices, guests] = await Promise.all([
      observeMachine(exec, signal),
      this.#observeTools(signal),
      this.#observeDevices(signal),
      this.#options.guests(signal),
    ]);
    await this.#status.write(HOSTS, host, { ...this.#statusOf(host, machine, tools, devices), guests }, signal);
  }

  /** The kernel's list is read at every look; the programs that say more are run when it has changed, and now and then. */
  async #observeDevices(signal: AbortSignal): Promise<readonly BlockDevice[]> {
    const { exec, clock } = this.#options;
    const last = this.#devices;
    const nowMs = clock.monotonicMs();
    const partitions = await exec.read("/proc/partitions", signal);
    const isNews = last === undefined || last.partitions !== partitions;
    const changedMs = isNews ? nowMs : last.changedMs;
    if (!isNews && nowMs - changedMs > SETTLE_MS && nowMs - last.seenMs < DEVICES_MS) return last.devices;
    const devices = await observeDevices(exec, signal);
    this.#devices = { seenMs: nowMs, changedMs, partitions, devices };
    return devices;
  }

  /** Looked at again at once while one is missing that is needed. */
  async #observeTools(signal: AbortSignal): Promise<Tools> {
    const { exec, clock } = this.#options;
    const last = this.#tools;
    const whole = last?.tools.lvm !== undefined && last.tools.drbd !== undefined;
    if (last !== undefined && whole && clock.monotonicMs() - last.seenMs < TOOLS_MS) return last.tools;
    const tools = await observeTools(exec, signal);
    this.#tools = { seenMs: clock.monotonicMs(), tools };
    return tools;
  }

  async #host(signal: AbortSignal): Promise<Host> {
    const { client, hostName, address } = this.#options;
    try {
      return await client.get(HOSTS, { name: hostName }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      const spec = { address } as Host["spec"]; // the rest is the server's defaults
      return await client.create(HOSTS, { metadata: { name: hostName }, spec } as Host, signal);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return client.get(HOSTS, { name: hostName }, signal);
    }
  }

  #statusOf(host: Host, machine: Machine, tools: Tools, devices: readonly BlockDevice[]): HostStatus {
    const { agentVersion, clock } = this.#options;
    const reserve = parseBytes(String(host.spec.memoryReserve));
    const now = clock.now();
    const observedGeneration = host.metadata.generation ?? 0;
    const missing = (["lvm", "drbd"] as const).filter((tool) => tools[tool] === undefined);
    const conditions = setCondition(
      host.status?.conditions?.filter(({ type }) => type === "ToolsPresent"),
      {
        type: "ToolsPresent",
        status: missing.length === 0 ? "True" : "False",
        reason: missing.length === 0 ? "Present" : "Missing",
        message:
          missing.length === 0
            ? "LVM and DRBD are there"
            : `not found: ${missing.join(", ")}; install lvm2 and drbd-utils`,
        observedGeneration,
      },
      now,
    );
    return {
      conditions,
      uname: machine.nodeName,
      bootID: machine.bootID,
      capacity: { cpus: machine.cpus, memory: formatBytes(machine.memoryBytes) },
      allocatable: {
        cpus: machine.cpus,
        memory: formatBytes(Math.max(0, Math.min(machine.memoryBytes - reserve, machine.guestMemoryBytes))),
      },
      software: { kernel: machine.kernel, agent: agentVersion, ...present(tools) },
      devices: devices.map(({ path, byId, model, serial, sizeBytes, rotational, volatileCache, holds }) => ({
        path,
        size: formatBytes(sizeBytes),
        rotational,
        holds,
        ...present({ byId, model, serial, volatileCache }),
      })),
    };
  }
}

/** Without the fields that are undefined. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
