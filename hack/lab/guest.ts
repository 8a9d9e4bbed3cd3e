import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Channel, type ExecOptions, type ExecResult } from "./channel.ts";
import { enterNetwork, nics, setTap } from "./network.ts";
import { isAlive, kill, start } from "./process.ts";
import { type Machine, qemuArgv } from "./qemu.ts";
import { Qmp } from "./qmp.ts";
import {
  type DiskState,
  GUEST_NAMES,
  type GuestName,
  type GuestState,
  type LabPaths,
  type LabState,
  readState,
  recordPath,
  writeState,
} from "./state.ts";
import { makeSparse } from "./template.ts";

/** From start to an answer on the command channel; takes about 2 s when three start together. */
const START_TIMEOUT_MS = 60_000;
const EXEC_TIMEOUT_MS = 30_000;
/** Pulling a disk takes some 8 s under emulation. */
const SWAP_TIMEOUT_MS = 60_000;

/** A data disk of a machine, counted from 1; `/dev/disk/by-id/virtio-NAME-diskN` inside. */
export type DiskNumber = 1 | 2 | 3;

/** One machine: power, cable, disks, and a shell. All state is in lab.json, so several processes may take turns. */
export class Guest {
  readonly name: GuestName;
  /** 1, 2, 3: the last digit of its address, MAC and tap. */
  readonly id: number;
  /** Inside the lab's network. */
  readonly address: string;
  readonly #paths: LabPaths;
  #channel: Channel | undefined;

  constructor(name: GuestName, paths: LabPaths) {
    this.name = name;
    this.id = GUEST_NAMES.indexOf(name) + 1;
    this.address = `10.77.0.${10 + this.id}`;
    this.#paths = paths;
  }

  isOn(): boolean {
    const { process } = this.#guest();
    return process !== undefined && isAlive(process);
  }

  /** Starts it, with what its disks hold, and waits until it answers. Its root is as new: only the disks remember. */
  async powerOn(): Promise<void> {
    if (this.isOn()) throw new Error(`${this.name} is on already`);
    const lab = this.#lab();
    const machine = this.#machine(lab);
    for (const socket of Object.values(machine.sockets)) rmSync(socket, { force: true });
    const logPath = join(this.#paths.folder, `${this.name}.qemu.log`);
    const argv = enterNetwork(lab.network, [...qemuArgv(machine), "-incoming", "defer"]);
    const process = start(argv, { logPath, diesWithUs: lab.diesWithItsStarter });
    this.#update({ process });
    try {
      await this.#resume(lab);
      await this.#open();
    } catch (cause) {
      await this.powerOff();
      const log = readFileSync(logPath, "utf8").slice(-2000);
      throw new Error(`${this.name} did not start: ${log}${this.consoleLog().slice(-2000)}`, { cause });
    }
  }

  /** As when the plug is pulled: nothing is told, nothing is flushed. What had reached its disks stays there. */
  async powerOff(): Promise<void> {
    this.#channel?.close();
    this.#channel = undefined;
    const { process, ...off } = this.#guest();
    if (process !== undefined) await kill(process);
    this.#write(off);
  }

  /** Stands still, as a machine that hangs does; its clock goes on. */
  async pause(): Promise<void> {
    await this.#withQmp((qmp) => qmp.call("stop"));
  }

  async resume(): Promise<void> {
    await this.#withQmp((qmp) => qmp.call("cont"));
  }

  /**
   * No packet comes or goes from now on, until `restoreLink`; a power cycle does not mend it. The card's carrier stays up (the
   * switch died, not the cable), except in user mode.
   */
  async cutLink(): Promise<void> {
    await this.#setLink(false);
  }

  async restoreLink(): Promise<void> {
    await this.#setLink(true);
  }

  /** Every access ends in EIO, also after a power cycle, until `healDisk` or `replaceDisk`. */
  async failDisk(disk: DiskNumber): Promise<void> {
    if (this.#disk(disk).failed) return;
    if (this.isOn()) await this.#withQmp((qmp) => qmp.failDisk(`disk${disk}`));
    this.#updateDisk(disk, { failed: true });
  }

  /** The same disk with the same content works again. */
  async healDisk(disk: DiskNumber): Promise<void> {
    if (!this.#disk(disk).failed) return;
    if (this.isOn()) await this.#withQmp((qmp) => qmp.healDisk(`disk${disk}`));
    this.#updateDisk(disk, { failed: false });
  }

  /** Pulls the disk, in use or not, and puts in an empty one with another serial, which is returned. */
  async replaceDisk(disk: DiskNumber): Promise<string> {
    const old = this.#disk(disk);
    const generation = Number(old.serial.split("-g")[1] ?? "1") + 1;
    const serial = `${this.name}-disk${disk}-g${generation}`;
    const path = join(this.#paths.folder, `${serial}.img`);
    const { dataDiskBytes, timeFactor } = this.#lab();
    makeSparse(path, dataDiskBytes);
    const timeoutMs = SWAP_TIMEOUT_MS * timeFactor;
    if (this.isOn()) await this.#withQmp((qmp) => qmp.swapDisk({ ...old, path, serial }, disk, old.failed, timeoutMs));
    this.#updateDisk(disk, { path, serial, failed: false });
    rmSync(old.path, { force: true });
    return serial;
  }

  /** Everything that the machine's console has said since the lab was started. */
  consoleLog(): string {
    try {
      return readFileSync(this.#consoleLogPath(), "utf8");
    } catch {
      return "";
    }
  }

  /** The unix socket of its serial console, where a root shell listens. */
  get consoleSocket(): string {
    return this.#socket("console");
  }

  /** Runs a program as root and waits for its end; a non-zero exit is a result, not an error. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const timeoutMs = (options.timeoutMs ?? EXEC_TIMEOUT_MS) * this.#lab().timeFactor;
    const channel = await this.#open();
    return channel.exec(argv, timeoutMs, options.stdin);
  }

  /** Runs a script by dash and returns its stdout; throws, with what it said, when it fails. */
  async sh(script: string, options: ExecOptions = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.exec(["sh", "-euc", script], options);
    if (exitCode === 0) return stdout;
    throw new Error(`${this.name}: exit ${exitCode}: ${stderr || stdout}\nscript: ${script}`);
  }

  /** Not atomic: a reader may see half of it. */
  async putFile(path: string, content: string | Uint8Array, mode?: number): Promise<void> {
    await (await this.#open()).putFile(path, content);
    if (mode !== undefined) await this.sh(`chmod ${mode.toString(8)} '${path}'`);
  }

  async getFile(path: string): Promise<Buffer> {
    return (await this.#open()).getFile(path);
  }

  /** Lets go of the machine without touching it. */
  disconnect(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  async #open(): Promise<Channel> {
    if (this.#channel !== undefined && !this.#channel.closed) return this.#channel;
    if (!this.isOn()) throw new Error(`${this.name} is off`);
    const { timeFactor } = this.#lab();
    this.#channel = await Channel.open(this.#socket("agent"), START_TIMEOUT_MS * timeFactor, timeFactor, () =>
      this.isOn(),
    );
    return this.#channel;
  }

  async #resume(lab: LabState): Promise<void> {
    await this.#withQmp(async (qmp) => {
      await qmp.loadState(join(this.#paths.runtime, "template.state"));
      for (const disk of this.#guest().disks) if (disk.failed) await qmp.failDisk(disk.id);
      if (lab.network.mode === "user-mode" && this.#guest().linkCut) {
        await qmp.call("set_link", { name: "net0", up: false });
      }
      await qmp.call("cont");
    });
  }

  async #setLink(up: boolean): Promise<void> {
    const { network } = this.#lab();
    if (network.mode !== "user-mode") setTap(network, this.id, up);
    else if (this.isOn()) await this.#withQmp((qmp) => qmp.call("set_link", { name: "net0", up }));
    this.#update({ linkCut: !up });
  }

  async #withQmp<T>(use: (qmp: Qmp) => Promise<T>): Promise<T> {
    if (!this.isOn()) throw new Error(`${this.name} is off`);
    const qmp = await Qmp.connect(this.#socket("qmp"), () => this.isOn());
    try {
      return await use(qmp);
    } finally {
      qmp.close();
    }
  }

  #machine(lab: LabState): Machine {
    return {
      ...lab,
      id: this.id,
      name: this.name,
      nics: nics(lab.network, this.id),
      disks: this.#guest().disks,
      ram: { path: join(this.#paths.runtime, "ram"), shared: false },
      sockets: { qmp: this.#socket("qmp"), agent: this.#socket("agent"), console: this.#socket("console") },
      consoleLog: this.#consoleLogPath(),
      recordLog: recordPath(this.#paths),
    };
  }

  #socket(kind: string): string {
    return join(this.#paths.runtime, `${this.name}.${kind}`);
  }

  #consoleLogPath(): string {
    return join(this.#paths.folder, `${this.name}.console.log`);
  }

  #lab(): LabState {
    return readState(this.#paths);
  }

  #guest(): GuestState {
    return this.#lab().guests[this.name];
  }

  #disk(disk: DiskNumber): DiskState {
    const found = this.#guest().disks[disk];
    if (found === undefined) throw new Error(`${this.name} has no disk ${disk}: it has 1, 2 and 3`);
    return found;
  }

  #update(change: Partial<GuestState>): void {
    this.#write({ ...this.#guest(), ...change });
  }

  #write(guest: GuestState): void {
    const lab = this.#lab();
    writeState(this.#paths, { ...lab, guests: { ...lab.guests, [this.name]: guest } });
  }

  #updateDisk(disk: DiskNumber, change: Partial<DiskState>): void {
    const disks = this.#guest().disks.map((old, i) => (i === disk ? { ...old, ...change } : old));
    this.#update({ disks });
  }
}
