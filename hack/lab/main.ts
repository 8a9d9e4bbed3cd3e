/** The lab for people: node hack/lab/main.ts COMMAND. Tests use class Lab. */
import { createConnection } from "node:net";
import { parseArgs } from "node:util";
import type { DiskNumber, Guest } from "./guest.ts";
import { Lab } from "./lab.ts";
import type { NetworkMode } from "./network.ts";
import type { Accelerator } from "./qemu.ts";
import { GUEST_NAMES, type GuestName } from "./state.ts";

const USAGE = `usage: node hack/lab/main.ts [--name LAB] COMMAND
  up [--network root|user-namespace|user-mode] [--accelerator kvm|tcg] [--memory MIB] [--xen]
                            start alpha, beta and gamma, or those of them that are off
  status                    which machines are on; fails when there is no lab
  forward PORT              let the machines reach 127.0.0.1:PORT as api:PORT
  down                      stop them and remove everything
  shell NAME [PROGRAM ARG…] run a program in a machine; without one: a shell (detach with Ctrl-])
  console NAME              what the machine's console has said
  power-off NAME            pull the plug
  power-on NAME             start it again, with the same disks
  cut NAME / restore NAME   take it off the network / bring it back
  pause NAME / resume NAME  let it hang / go on
  fail-disk NAME N          disk N (1-3) answers EIO
  heal-disk NAME N          the same disk works again
  replace-disk NAME N       pull it and put in an empty one
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: "string", default: "default" },
    network: { type: "string" },
    accelerator: { type: "string" },
    memory: { type: "string" },
    xen: { type: "boolean", default: false },
  },
  args: beforeProgram(process.argv.slice(2)),
});

/** What follows `shell NAME` belongs to the program, flags and all. */
function beforeProgram(args: readonly string[]): string[] {
  const at = args.indexOf("shell");
  return at < 0 ? [...args] : [...args.slice(0, at + 2), "--", ...args.slice(at + 2)];
}

function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(2);
}

function guestOf(lab: Lab, name: string | undefined): Guest {
  if (!GUEST_NAMES.includes(name as GuestName))
    usage(`no machine "${name ?? ""}": there are ${GUEST_NAMES.join(", ")}`);
  return lab.guest(name as GuestName);
}

function diskNumber(text: string | undefined): DiskNumber {
  if (text !== "1" && text !== "2" && text !== "3") usage(`no disk "${text ?? ""}": there are 1, 2 and 3`);
  return Number(text) as DiskNumber;
}

function portNumber(text: string | undefined): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) usage(`no port "${text ?? ""}": 1 to 65535`);
  return port;
}

async function up(): Promise<void> {
  const memoryMiB = Number(values.memory ?? 512);
  if (!(memoryMiB >= 384)) usage(`--memory ${values.memory}: at least 384`);
  const found = Lab.find(values.name);
  if (found === "ready") return switchOn();
  if (found === "orphaned")
    throw new Error("this machine was restarted under the lab: `down` removes what is left of it");
  await Lab.remove(values.name);
  await Lab.start({
    name: values.name,
    diesWithUs: false,
    xen: values.xen,
    ...(values.memory === undefined ? {} : { memoryMiB }),
    ...(values.network === undefined ? {} : { networkMode: values.network as NetworkMode }),
    ...(values.accelerator === undefined ? {} : { accelerator: values.accelerator as Accelerator }),
    log: (line) => process.stderr.write(`${line}\n`),
  });
}

async function switchOn(): Promise<void> {
  for (const guest of running().guests) {
    const wasOn = guest.isOn();
    if (!wasOn) await guest.powerOn();
    process.stderr.write(`${guest.name}: ${wasOn ? "runs already" : "switched on"}\n`);
    guest.disconnect();
  }
}

async function status(): Promise<void> {
  for (const guest of running().guests) {
    process.stdout.write(`${guest.name} ${guest.address} ${guest.isOn() ? "on" : "off"}\n`);
  }
}

async function run(guest: Guest, argv: readonly string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await guest.exec(argv, { timeoutMs: 3_600_000 });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = exitCode;
}

/** Joins this terminal with the root shell on the machine's serial console. */
async function attach(guest: Guest): Promise<void> {
  const socket = createConnection(guest.consoleSocket);
  process.stderr.write(`${guest.name}: press Return; Ctrl-] leaves\n`);
  if (process.stdin.isTTY) process.stdin.setRawMode(true);
  process.stdin.on("data", (chunk: Buffer) => (chunk.includes(0x1d) ? socket.end() : socket.write(chunk)));
  process.stdin.on("end", () => socket.end());
  socket.pipe(process.stdout);
  await new Promise<void>((resolve, reject) => socket.once("close", () => resolve()).once("error", reject));
  if (process.stdin.isTTY) process.stdin.setRawMode(false);
  process.stdin.destroy();
}

const [command = "", name, ...rest] = positionals;
const running = () => Lab.attach(values.name);
const guest = () => guestOf(running(), name);
const commands: Readonly<Record<string, () => Promise<unknown>>> = {
  up,
  status,
  forward: () => running().forwardApi(portNumber(name)),
  down: () => Lab.remove(values.name),
  shell: () => (rest.length > 0 ? run(guest(), rest) : attach(guest())),
  console: async () => process.stdout.write(guest().consoleLog()),
  "power-off": () => guest().powerOff(),
  "power-on": () => guest().powerOn(),
  cut: () => guest().cutLink(),
  restore: () => guest().restoreLink(),
  pause: () => guest().pause(),
  resume: () => guest().resume(),
  "fail-disk": () => guest().failDisk(diskNumber(rest[0])),
  "heal-disk": () => guest().healDisk(diskNumber(rest[0])),
  "replace-disk": () => guest().replaceDisk(diskNumber(rest[0])),
};
const chosen = commands[command];
if (chosen === undefined) usage(command === "" ? "which command?" : `no command "${command}"`);
try {
  await chosen();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
