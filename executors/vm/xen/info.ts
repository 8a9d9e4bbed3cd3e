import type { Executor } from "../../command/types.ts";
import { HypervisorError } from "../guest.ts";

const MIB = 2 ** 20;
const CAPABILITIES = "/proc/xen/capabilities";

/** What the hypervisor says of itself. */
export interface XenInfo {
  /** Of the machine. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Whether the processor can run PVH and HVM guests. */
  readonly hvm: boolean;
}

export async function xenInfo(exec: Executor, signal: AbortSignal): Promise<XenInfo> {
  const { stdout } = await exec.run({ kind: "run", argv: ["xl", "info"], mutates: false }, signal);
  return parseInfo(stdout);
}

/** Parses `xl info` (Xen 4.17): lines `key : value`; memory in MiB. */
export function parseInfo(stdout: string): XenInfo {
  const field = (key: string): string => {
    const value = new RegExp(`^${key} *: *(.*)$`, "m").exec(stdout)?.[1];
    if (value === undefined) throw new HypervisorError(`xl info does not tell ${key}`);
    return value.trim();
  };
  const bytes = (key: string): number => {
    const value = field(key);
    if (!/^\d+$/.test(value))
      throw new HypervisorError(`xl info: ${key} is ${JSON.stringify(value)}, not a number of MiB`);
    return Number(value) * MIB;
  };
  return {
    totalBytes: bytes("total_memory"),
    freeBytes: bytes("free_memory"),
    hvm: field("virt_caps").split(" ").includes("hvm"),
  };
}

/**
 * Mounts what tells the first domain from a guest of Xen, if Xen's own service has not done so yet: a first domain that
 * took itself for a guest would say that it runs none.
 */
export async function mountXenfs(exec: Executor, signal: AbortSignal): Promise<void> {
  if ((await exec.read("/sys/hypervisor/type", signal))?.trim() !== "xen") return;
  if ((await exec.read(CAPABILITIES, signal)) !== undefined) return;
  await exec.run({ kind: "run", argv: ["mount", "-t", "xenfs", "xenfs", "/proc/xen"], mutates: true }, signal);
}

/** Whether this machine's system is Xen's first domain, which may make others; a guest of Xen is not. */
export async function isControlDomain(exec: Executor, signal: AbortSignal): Promise<boolean> {
  if ((await exec.read("/sys/hypervisor/type", signal))?.trim() !== "xen") return false;
  return (await exec.read(CAPABILITIES, signal))?.includes("control_d") ?? false;
}
