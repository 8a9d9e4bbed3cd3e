import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { isAlive, type ProcessRecord, start } from "./process.ts";

/**
 * `root`: a network namespace with a bridge and taps. `user-namespace`: the same one, owned by a user namespace of an ordinary
 * user. `user-mode`: no namespace at all; guests meet by multicast on the loopback device, the host is behind QEMU's own NAT.
 */
export type NetworkMode = "root" | "user-namespace" | "user-mode";

/** How a machine is plugged in: one `-netdev` and its card. */
export interface Nic {
  readonly id: string;
  readonly netdev: string;
  readonly mac: string;
}

export interface NetworkState {
  readonly mode: NetworkMode;
  /** The process that keeps the namespace; it vanishes with its last process. Absent in user mode. */
  readonly holder?: ProcessRecord;
  /** Multicast port of user mode. */
  readonly multicastPort: number;
}

/** The lab's own address in its network; `api` in the guests' /etc/hosts. */
export const GATEWAY = "10.77.0.1";
/** QEMU's NAT: what stands for the host's loopback address in user mode. */
export const NAT_HOST = "10.77.1.1";
const MACHINES = 3;

/** The best mode that this user and this kernel allow, found by trying. */
export function probeNetworkMode(): NetworkMode {
  const script = "ip link add br0 type bridge && ip tuntap add tap0 mode tap";
  const works = (argv: readonly string[]) => spawnSync("unshare", [...argv, "sh", "-c", script]).status === 0;
  if (process.getuid?.() === 0 && works(["--net"])) return "root";
  if (works(["--user", "--map-root-user", "--net"])) return "user-namespace";
  return "user-mode";
}

/** Makes the network. A crash leaves nothing: the namespace has no name and ends with the processes in it. */
export async function startNetwork(
  mode: NetworkMode,
  folder: string,
  diesWithUs: boolean,
  multicastPort: number,
): Promise<NetworkState> {
  if (mode === "user-mode") return { mode, multicastPort };
  const taps = Array.from({ length: MACHINES + 1 }, (_, i) => tapName(i));
  const script = [
    "set -e",
    "ip link set lo up",
    `ip link add br0 type bridge`,
    `ip addr add ${GATEWAY}/24 dev br0`,
    "ip link set br0 up",
    ...taps.map((tap) => `ip tuntap add ${tap} mode tap; ip link set ${tap} master br0; ip link set ${tap} up`),
    "echo NETWORK-READY",
    "exec sleep infinity",
  ].join("\n");
  const namespaces = mode === "root" ? ["--net"] : ["--user", "--map-root-user", "--net"];
  const logPath = join(folder, "network.log");
  const holder = start(["unshare", ...namespaces, "sh", "-c", script], { logPath, diesWithUs });
  while (!readFileSync(logPath, "utf8").includes("NETWORK-READY")) {
    if (!isAlive(holder)) throw new Error(`the lab's network could not be made: ${readFileSync(logPath, "utf8")}`);
    await sleep(10);
  }
  return { mode, holder, multicastPort };
}

/** The argv that runs a program inside the lab's network; in user mode there is no inside, and it runs on the host. */
export function enterNetwork({ mode, holder }: NetworkState, argv: readonly string[]): string[] {
  if (holder === undefined) return [...argv];
  const user = mode === "user-namespace" ? ["--user", "--preserve-credentials"] : [];
  return ["nsenter", "--target", `${holder.pid}`, ...user, "--net", "--", ...argv];
}

/** The cards of machine `id` (0: the template, which has the same ones). */
export function nics(network: NetworkState, id: number): Nic[] {
  const mac = (net: number) => `52:54:00:77:0${net}:${(10 + id).toString(16).padStart(2, "0")}`;
  if (network.mode !== "user-mode") {
    return [{ id: "net0", netdev: `tap,id=net0,ifname=${tapName(id)},script=no,downscript=no`, mac: mac(0) }];
  }
  const group = `230.77.0.1:${network.multicastPort}`;
  return [
    { id: "net0", netdev: `socket,id=net0,mcast=${group},localaddr=127.0.0.1`, mac: mac(0) },
    { id: "net1", netdev: `user,id=net1,net=10.77.1.0/24,host=${NAT_HOST},restrict=off`, mac: mac(1) },
  ];
}

/** Silent: the guest's card stays up, its packets go nowhere, as when a switch fails. Not for user mode. */
export function setTap(network: NetworkState, id: number, up: boolean): void {
  inNetwork(network, ["ip", "link", "set", tapName(id), up ? "up" : "down"]);
}

/** Isolated machines reach the gateway and those that are not isolated, but not each other. */
export function setIsolated(network: NetworkState, id: number, isolated: boolean): void {
  if (network.mode === "user-mode") throw new Error("user-mode networking cannot keep two machines apart");
  inNetwork(network, ["bridge", "link", "set", "dev", tapName(id), "isolated", isolated ? "on" : "off"]);
}

function inNetwork(network: NetworkState, argv: readonly string[]): void {
  const [program = "", ...args] = enterNetwork(network, argv);
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

function tapName(id: number): string {
  return `tap${id}`;
}
