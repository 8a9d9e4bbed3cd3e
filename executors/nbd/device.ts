import type { Command, Executor } from "../command/types.ts";
import type { Plan, Step } from "../driver.ts";
import { type DeviceReport, type NbdDevice, parseDeviceReport } from "./report.ts";

const PROGRAM = "/usr/lib/ferrite/nbd-device";
const LINKS = "/dev/gnbd";
/** nbd-device's exit code when the device is mounted or otherwise held. */
export const IN_USE_EXIT_CODE = 16;

/** The argv that tells of connections that are lost, a line each. */
export const WATCH_DEVICES: Command["argv"] = ["perl", PROGRAM, "watch"];

/** A server's export, as this host should have it attached. */
export interface DesiredImport {
  /** Whose device it is; the kernel keeps it, and refuses to connect the device to anything else. */
  readonly backend: string;
  readonly exportName: string;
  readonly server: { readonly address: string; readonly port: number };
  readonly readOnly: boolean;
  /** How long I/O waits for a lost server before it fails. */
  readonly waitSeconds: number;
  /** Address of this host, by which the server knows it. */
  readonly sourceAddress: string;
}

const call = (mutates: boolean, ...args: string[]): Command => ({
  kind: "run",
  argv: ["perl", PROGRAM, ...args],
  mutates,
  timeoutMs: 40_000,
});

export async function observeDevices(exec: Executor, signal: AbortSignal): Promise<DeviceReport> {
  const { stdout } = await exec.run(call(false, "list"), signal);
  return parseDeviceReport(stdout);
}

/** A first connection, or a new one for a device that has lost its server. */
export function attachCommand(desired: DesiredImport, device: NbdDevice | undefined): Command {
  const { server, exportName, backend, readOnly, waitSeconds, sourceAddress } = desired;
  const verb = device === undefined ? ["connect"] : ["reconnect", `${device.index}`];
  const mode = readOnly ? "ro" : "rw";
  const to = [server.address, `${server.port}`, exportName, backend, mode, `${waitSeconds}`, sourceAddress];
  return call(true, ...verb, ...to);
}

/** Flushes and gives the device back to the kernel; exit code 16 when somebody holds it. */
export const detachStep = ({ index }: NbdDevice): Step => ({
  why: `disconnect /dev/nbd${index}`,
  effect: call(true, "disconnect", `${index}`),
});

export const linkPath = (name: string): string => `${LINKS}/${name}`;

/** The link to a device, or its absence. */
export function planLink(name: string, target: string | undefined, observed: DeviceReport): Plan {
  const present = observed.links.find((link) => link.name === name)?.target;
  if (present === target) return { kind: "steps", steps: [] };
  const path = linkPath(name);
  const run = (...argv: Command["argv"]): Command => ({ kind: "run", argv, mutates: true });
  if (target === undefined) return { kind: "steps", steps: [{ why: `remove ${path}`, effect: run("rm", "-f", path) }] };
  const steps: Step[] = [
    { why: `make ${LINKS}`, effect: run("mkdir", "-p", LINKS) },
    { why: `link ${path} to ${target}`, effect: run("ln", "-sfn", target, path) },
  ];
  return { kind: "steps", steps };
}
