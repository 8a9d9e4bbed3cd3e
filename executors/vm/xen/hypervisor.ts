import { CommandError } from "../../command/errors.ts";
import type { Command, Executor, Follow } from "../../command/types.ts";
import { logTail } from "../console-log.ts";
import { type GuestSpec, type Hypervisor, HypervisorError, type Instance, StartError } from "../guest.ts";
import { xlConfig } from "./config.ts";
import { inspectionOf, instanceOf, xenDomains } from "./domains.ts";
import { startError } from "./failures.ts";
import { consoleLog, xenFiles } from "./files.ts";
import { xenInfo } from "./info.ts";

export interface XenOptions {
  readonly exec: Executor;
  readonly follow: Follow;
  /** Whether systemd runs the machine (sd_booted(3)). */
  readonly systemd: boolean;
}

/** Building a guest's memory, its devices' scripts, and a boot loader that reads a slow disk. */
const CREATE_TIMEOUT_MS = 180_000;
/** Xen waits for each device's other end before it takes it away by force. */
const DESTROY_TIMEOUT_MS = 120_000;
const MIB = 2 ** 20;

/**
 * Guests of Xen, by xl. They are domains of the hypervisor and know nothing of the agent; no process of xl stays behind to
 * act on their end (`-e`). What runs is asked of Xen at each look, by the guests' UUIDs.
 */
export function xenHypervisor({ exec, follow, systemd }: XenOptions): Hypervisor {
  const domains = (signal: AbortSignal) => xenDomains(exec, signal);
  /** The same domain as was seen, if it is still there. */
  const again = async ({ id }: Instance, signal: AbortSignal) =>
    (await domains(signal)).find((domain) => instanceOf(domain).id === id);
  const act = async (instance: Instance, signal: AbortSignal, timeoutMs: number | undefined, ...words: string[]) => {
    const there = await again(instance, signal);
    if (there === undefined || there.isDying) throw new HypervisorError(`there is no domain ${instance.id} any more`);
    const [verb = "", ...rest] = words;
    await exec.run(xl([verb, ...flagsOf(rest), `${there.domid}`, ...argumentsOf(rest)], timeoutMs), signal);
  };
  return {
    list: async (signal) => (await domains(signal)).map(instanceOf),
    async inspect(instance, signal) {
      const there = await again(instance, signal);
      if (there === undefined)
        return { state: "dying", detail: undefined, memoryBytes: undefined, accelerated: undefined };
      const { config, made } = xenFiles(there.uuid);
      const ours = (await exec.read(config, signal)) !== undefined;
      const text = await exec.read(made, signal);
      return inspectionOf(there, { ours, made: text === undefined ? undefined : Number(text) });
    },
    async prepare(spec, signal) {
      if ((await domains(signal)).some(({ uuid }) => uuid === spec.uid)) return;
      await create(spec, exec, systemd, signal);
      const made = (await domains(signal)).find(({ uuid }) => uuid === spec.uid);
      if (made === undefined) throw new StartError("StartFailed", "xl made it, and it is not there");
      await exec.write({ kind: "write", path: xenFiles(spec.uid).made, content: `${made.domid}`, mode: 0o600 }, signal);
    },
    resume: (instance, _, signal) => act(instance, signal, undefined, "unpause"),
    async askToShutDown(instance, signal) {
      try {
        await act(instance, signal, undefined, "shutdown", "-F");
      } catch (cause) {
        if (!(cause instanceof CommandError)) throw cause;
        throw new HypervisorError(`${instance.name ?? instance.id} cannot be asked: ${cause.message}`, { cause });
      }
    },
    async destroy(instance, signal) {
      const there = await again(instance, signal);
      if (there === undefined || there.isDying) return;
      await exec.run(xl(["destroy", `${there.domid}`], DESTROY_TIMEOUT_MS), signal);
    },
    balloon: (instance, memoryBytes, signal) =>
      act(instance, signal, undefined, "mem-set", `${Math.ceil(memoryBytes / MIB)}m`),
    async *follow(instance, signal) {
      // Fires whenever any domain has shut down or is gone, and once at the beginning.
      for await (const path of follow(["xenstore-watch", "@releaseDomain"], signal)) {
        yield path;
        if ((await again(instance, signal)) === undefined) return;
      }
    },
    freeMemory: async (signal) => (await xenInfo(exec, signal)).freeBytes,
    consoleCommand: (_, name) => `xl console ${name}`,
    async consoleTail(uid, signal) {
      const name = (await exec.read(xenFiles(uid).name, signal))?.trim();
      return name === undefined ? "" : logTail(consoleLog(name), exec, signal);
    },
    forget: async (uid, signal) =>
      void (await exec.run({ kind: "run", argv: ["rm", "-rf", xenFiles(uid).directory], mutates: true }, signal)),
  };
}

const flagsOf = (words: readonly string[]) => words.filter((word) => word.startsWith("-"));
const argumentsOf = (words: readonly string[]) => words.filter((word) => !word.startsWith("-"));

const xl = (args: readonly string[], timeoutMs: number | undefined): Command => ({
  kind: "run",
  argv: ["xl", ...args],
  mutates: true,
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

/** With systemd in a scope of its own: an HVM guest's device model must not end with the agent's unit. */
async function create(spec: GuestSpec, exec: Executor, systemd: boolean, signal: AbortSignal): Promise<void> {
  const files = xenFiles(spec.uid);
  const content = xlConfig(spec);
  const info = await xenInfo(exec, signal);
  const type = spec.xen?.type ?? "PV";
  if (type !== "PV" && !info.hvm)
    throw new StartError(
      "TypeNotPossible",
      `spec.xen.type: this host's processor runs no ${type} guests (xl info: virt_caps has no hvm): switch its virtualisation on, or use PV`,
    );
  await exec.run({ kind: "run", argv: ["mkdir", "-p", "-m", "700", files.directory], mutates: true }, signal);
  await exec.run({ kind: "run", argv: ["rm", "-f", files.made], mutates: true }, signal);
  await exec.write({ kind: "write", path: files.name, content: `${spec.name}\n`, mode: 0o600 }, signal);
  await exec.write({ kind: "write", path: files.config, content, mode: 0o600 }, signal);
  const { argv, ...command } = xl(["create", "-e", "-p", files.config], CREATE_TIMEOUT_MS);
  const scope = ["systemd-run", "--scope", "--quiet", "--collect", `--unit=ferrite-guest-${spec.uid}`] as const;
  try {
    await exec.run({ ...command, argv: systemd ? [...scope, ...argv] : argv }, signal);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw startError(spec, cause, info);
  }
}
