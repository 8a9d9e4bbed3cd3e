import type { Command, Executor } from "./command/types.ts";
import type { Plan, Step } from "./driver.ts";
import type { ExportProtocol, ExportSecret } from "./export-server.ts";
import { type DeviceReport, type ImportedDevice, parseDeviceReport } from "./import-report.ts";

/** One program a protocol, all with the same verbs: list, connect, reconnect, disconnect, watch. */
const PROGRAMS: Readonly<Record<ExportProtocol, string>> = {
  NBD: "/usr/lib/ferrite/nbd-device",
  ISCSI: "/usr/lib/ferrite/iscsi-device",
  NVMeTCP: "/usr/lib/ferrite/nvme-device",
};
const LINKS = "/dev/gnbd";
/** The programs' exit code when the device is mounted or otherwise held. */
export const IN_USE_EXIT_CODE = 16;

/** The argv that tells of connections that are lost, a line each. */
export const watchDevices = (protocol: ExportProtocol): Command["argv"] => ["perl", PROGRAMS[protocol], "watch"];

/** A server's export, as this host should have it attached. */
export interface DesiredImport {
  readonly protocol: ExportProtocol;
  /** Whose device it is: it is never connected to anything else. Ends with the export's uid. */
  readonly backend: string;
  /** Export name, IQN or NQN. */
  readonly target: string;
  readonly server: { readonly address: string; readonly port: number };
  readonly readOnly: boolean;
  /** How long I/O waits for a lost server before it fails. */
  readonly waitSeconds: number;
  /** Address of this host, where the connection comes from. */
  readonly sourceAddress: string;
  /** Name by which the server knows this host, where the protocol has such names. */
  readonly clientName: string;
  readonly secret?: ExportSecret;
}

const call = (protocol: ExportProtocol, mutates: boolean, ...args: string[]): Command => ({
  kind: "run",
  argv: ["perl", PROGRAMS[protocol], ...args],
  mutates,
  timeoutMs: 40_000,
  stdin: "",
});

export async function observeDevices(
  protocol: ExportProtocol,
  exec: Executor,
  signal: AbortSignal,
): Promise<DeviceReport> {
  const { stdout } = await exec.run(call(protocol, false, "list"), signal);
  return parseDeviceReport(stdout);
}

/** A first connection, or a new one for a device that has lost its server. */
export function attachCommand(desired: DesiredImport, device: ImportedDevice | undefined): Command {
  const { protocol, server, target, backend, readOnly, waitSeconds, sourceAddress, clientName, secret } = desired;
  const verb = device === undefined ? ["connect"] : ["reconnect", device.id];
  const mode = readOnly ? "ro" : "rw";
  const to = [server.address, `${server.port}`, target, backend, mode, `${waitSeconds}`, sourceAddress, clientName];
  const command = call(protocol, true, ...verb, ...to);
  return secret === undefined ? command : { ...command, stdin: `${secret.username}\n${secret.password}\n` };
}

/** Flushes and gives the device back to the kernel; exit code 16 when somebody holds it. */
export const detachStep = (protocol: ExportProtocol, { id, path }: ImportedDevice): Step => ({
  why: `disconnect ${path}`,
  effect: call(protocol, true, "disconnect", id),
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
