import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { Guest } from "./guest.ts";
import { ensureImage, type Image } from "./image.ts";
import { enterNetwork, type NetworkMode, nics, probeNetworkMode, setIsolated, startNetwork } from "./network.ts";
import { isAlive, kill, type ProcessRecord, start, thisProcess } from "./process.ts";
import { type Accelerator, probeAccelerator } from "./qemu.ts";
import {
  type DiskState,
  GUEST_NAMES,
  type GuestName,
  type GuestState,
  type LabPaths,
  type LabState,
  labPaths,
  readState,
  recordPath,
  writeState,
} from "./state.ts";
import { makeSparse, makeTemplate } from "./template.ts";

export interface LabOptions {
  /** Names the folder under .ferrite/lab; two labs of one name cannot run at once. */
  readonly name: string;
  /** `true`: the lab ends with this process, however it ends (tests). `false`: it stays until `stop` (people). */
  readonly diesWithUs: boolean;
  /** Of each machine; default 512, and 896 with Xen, which leaves some 300 for guests. */
  readonly memoryMiB?: number;
  /** Of each data disk; default 2048. A small one is soon filled when DRBD copies it whole. */
  readonly dataDiskMiB?: number;
  /** Default: the best that works here. */
  readonly networkMode?: NetworkMode;
  /** Machines that start Xen, and are its first domain; always emulated. */
  readonly xen?: boolean;
  /** Default: KVM where it starts the stock kernel, else TCG. */
  readonly accelerator?: Accelerator;
  /** What happens, for people. Default: silence. */
  readonly log?: (line: string) => void;
}

/** Seconds that ten processes take on an idle two-core host with emulated guests: what time factor 1 means. */
const TEN_PROCESSES_SECONDS = 0.66;

/** Three virtual bare-metal machines on a network of their own. The host's own network takes no part in it. */
export class Lab {
  readonly name: string;
  readonly #paths: LabPaths;
  readonly #guests: Readonly<Record<GuestName, Guest>>;

  private constructor(name: string) {
    this.name = name;
    this.#paths = labPaths(name);
    const guest = (name: GuestName) => new Guest(name, this.#paths);
    this.#guests = { alpha: guest("alpha"), beta: guest("beta"), gamma: guest("gamma") };
  }

  /** Boots three machines with empty disks and waits until they answer. On an error nothing is left running. */
  static async start(options: LabOptions): Promise<Lab> {
    const log = options.log ?? (() => {});
    const lab = new Lab(options.name);
    lab.#claim(options.diesWithUs);
    try {
      const image = await ensureImage(options.xen ? "xen" : "plain");
      const accelerator = image.xen === undefined ? (options.accelerator ?? probeAccelerator(image)) : "tcg";
      const mode = options.networkMode ?? probeNetworkMode();
      log(`accelerator: ${accelerator}; network: ${mode}`);
      await lab.#boot(options, image, accelerator, mode, log);
    } catch (error) {
      await lab.stop({ keepLogs: true });
      throw error;
    }
    return lab;
  }

  /**
   * `ready`: its machines are on, or can be switched on. `unfinished`: its start was cut short, nothing in it is of worth.
   * `orphaned`: the host was restarted; the disks are there, the memory that the machines start from is not.
   */
  static find(name: string): "absent" | "ready" | "unfinished" | "orphaned" {
    const lab = new Lab(name);
    const { runtime } = lab.#paths;
    const network = lab.#stateIfAny()?.network;
    if (!existsSync(runtime)) return network === undefined ? "absent" : "orphaned";
    if (network === undefined || !existsSync(join(runtime, "template.state"))) return "unfinished";
    return network.holder === undefined || isAlive(network.holder) ? "ready" : "orphaned";
  }

  /** A lab that another process has started. */
  static attach(name: string): Lab {
    const lab = new Lab(name);
    readState(lab.#paths);
    return lab;
  }

  /** Stops a lab and removes all of it, also one whose start was cut short. There being none is fine. */
  static async remove(name: string): Promise<void> {
    await new Lab(name).stop();
  }

  guest(name: GuestName): Guest {
    return this.#guests[name];
  }

  get guests(): readonly Guest[] {
    return Object.values(this.#guests);
  }

  /** How much slower than an idle emulated machine this one is: multiply time-outs by it. */
  get timeFactor(): number {
    return readState(this.#paths).timeFactor;
  }

  get networkMode(): NetworkMode {
    return readState(this.#paths).network.mode;
  }

  /** The argv that runs a host's program inside the lab's network; in user mode it cannot reach the guests. */
  inNetwork(argv: readonly string[]): string[] {
    return enterNetwork(readState(this.#paths).network, argv);
  }

  /**
   * Lets the machines reach 127.0.0.1:`target` of the host as `api:port`; any earlier port is given up. Returns the addresses
   * under which they see it, for the server's certificate. In user mode `target` must be `port`.
   */
  async forwardApi(port: number, target = port): Promise<{ readonly names: readonly string[] }> {
    const state = readState(this.#paths);
    for (const relay of state.relays) await kill(relay);
    if (state.network.mode === "user-mode") return { names: ["api", "10.77.1.1"] };
    const socket = join(this.#paths.runtime, "api");
    const relay = [process.execPath, join(import.meta.dirname, "relay.ts")];
    const logPath = join(this.#paths.folder, "relay.log");
    const options = { logPath, diesWithUs: state.diesWithItsStarter };
    const relays = [
      start([...relay, `unix:${socket}`, `tcp:127.0.0.1:${target}`], options),
      start(enterNetwork(state.network, [...relay, `tcp:10.77.0.1:${port}`, `unix:${socket}`]), options),
    ];
    writeState(this.#paths, { ...state, relays });
    return { names: ["api", "10.77.0.1"] };
  }

  /**
   * What programs in the machines have written to /dev/vport0p2, in the order of the writes. A write there returns when it is
   * in this file: no power cut, and no cut link, takes it back.
   */
  record(): string {
    const path = recordPath(this.#paths);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /**
   * No packet passes between the two any more; both still reach the API and the third. Not in user mode. The others of `cutLink`
   * hold: the carriers stay up, a power cycle does not mend it.
   */
  cutBetween(a: GuestName, b: GuestName): void {
    for (const name of [a, b]) setIsolated(readState(this.#paths).network, this.guest(name).id, true);
  }

  restoreBetween(a: GuestName, b: GuestName): void {
    for (const name of [a, b]) setIsolated(readState(this.#paths).network, this.guest(name).id, false);
  }

  /** Switches everything off and removes all of it; `keepLogs` leaves the consoles' logs. May be called twice. */
  async stop({ keepLogs = false } = {}): Promise<void> {
    const state = this.#stateIfAny();
    for (const guest of this.guests) guest.disconnect();
    for (const process of state === undefined ? [] : processesOf(state)) await kill(process);
    rmSync(this.#paths.runtime, { recursive: true, force: true });
    for (const file of filesIn(this.#paths.folder)) {
      if (!(keepLogs && file.endsWith(".log"))) rmSync(join(this.#paths.folder, file), { force: true });
    }
    if (!keepLogs) rmSync(this.#paths.folder, { recursive: true, force: true });
  }

  async #boot(
    options: LabOptions,
    image: Image,
    accelerator: Accelerator,
    mode: NetworkMode,
    log: (line: string) => void,
  ): Promise<void> {
    const { folder } = this.#paths;
    const { diesWithUs, memoryMiB = options.xen ? 896 : 512, dataDiskMiB = 2048 } = options;
    const network = await startNetwork(mode, folder, diesWithUs, randomInt(20_000, 60_000));
    const guests = { alpha: this.#hardware("alpha"), beta: this.#hardware("beta"), gamma: this.#hardware("gamma") };
    const initial: LabState = {
      image,
      accelerator,
      network,
      memoryMiB,
      dataDiskBytes: dataDiskMiB * 1024 ** 2,
      diesWithItsStarter: diesWithUs,
      timeFactor: 1,
      relays: [],
      guests,
    };
    writeState(this.#paths, initial);
    await timed(log, "template booted", () => this.#template(initial, image));
    for (const { disks } of Object.values(guests)) {
      const [system, ...data] = disks;
      if (system !== undefined) copySparse(image.system, system.path);
      for (const disk of data) makeSparse(disk.path, initial.dataDiskBytes);
    }
    await timed(log, "machines answer", async () => {
      await Promise.all(this.guests.map((guest) => guest.powerOn()));
    });
    const timeFactor = await this.#measure();
    writeState(this.#paths, { ...readState(this.#paths), timeFactor });
    log(`time factor: ${timeFactor}`);
  }

  async #template(lab: LabState, image: Image): Promise<void> {
    const { runtime, folder } = this.#paths;
    const disks = this.#hardware("alpha").disks.map((disk) => ({ ...disk, path: join(runtime, `${disk.id}.img`) }));
    for (const { id, path } of disks) {
      if (id === "system") copySparse(image.system, path);
      else makeSparse(path, lab.dataDiskBytes);
    }
    const sockets = {
      qmp: join(runtime, "template.qmp"),
      agent: join(runtime, "template.agent"),
      console: join(runtime, "template.console"),
    };
    await makeTemplate(
      {
        ...lab,
        id: 0,
        name: "template",
        nics: nics(lab.network, 0),
        disks,
        ram: { path: join(runtime, "ram"), shared: true },
        sockets,
        consoleLog: join(folder, "template.console.log"),
        recordLog: join(runtime, "template.record"),
      },
      join(runtime, "template.state"),
      lab,
    );
    for (const { path } of disks) rmSync(path);
  }

  #hardware(name: GuestName): GuestState {
    const disk = (id: string): DiskState => {
      return { id, serial: `${name}-${id}`, path: join(this.#paths.folder, `${name}-${id}.img`), failed: false };
    };
    return { linkCut: false, disks: ["system", "disk1", "disk2", "disk3"].map(disk) };
  }

  async #measure(): Promise<number> {
    const started = performance.now();
    await this.guest("alpha").sh("for i in 0 1 2 3 4 5 6 7 8 9; do /bin/true; done");
    const seconds = (performance.now() - started) / 1000;
    return Math.max(1, Math.round((seconds / TEN_PROCESSES_SECONDS) * 10) / 10);
  }

  /** Takes the name, or says who has it. What a dead starter has left behind goes. */
  #claim(diesWithUs: boolean): void {
    for (const entry of filesIn("/dev/shm")) {
      if (entry.startsWith("ferrite-lab-")) sweep(join("/dev/shm", entry));
    }
    try {
      mkdirSync(this.#paths.runtime, { mode: 0o700 });
    } catch (cause) {
      throw new Error(`lab "${this.name}" is running already: stop it, or choose another name`, { cause });
    }
    const owner: Owner = { starter: thisProcess(), diesWithItsStarter: diesWithUs, folder: this.#paths.folder };
    writeFileSync(join(this.#paths.runtime, "owner.json"), JSON.stringify(owner));
    const room = statfsSync(this.#paths.runtime);
    if (room.bavail * room.bsize < 700 * 1024 ** 2)
      throw new Error("/dev/shm has less than 700 MiB free: make it larger");
    rmSync(this.#paths.folder, { recursive: true, force: true });
    mkdirSync(this.#paths.folder, { recursive: true });
  }

  #stateIfAny(): LabState | undefined {
    try {
      return readState(this.#paths);
    } catch {
      return undefined;
    }
  }
}

interface Owner {
  readonly starter: ProcessRecord;
  readonly diesWithItsStarter: boolean;
  readonly folder: string;
}

/** Removes the files of a lab that died with its starter. */
function sweep(runtime: string): void {
  let owner: Owner;
  try {
    owner = JSON.parse(readFileSync(join(runtime, "owner.json"), "utf8")) as Owner;
  } catch {
    return; // somebody else's, or just being made
  }
  if (!owner.diesWithItsStarter || isAlive(owner.starter)) return;
  rmSync(runtime, { recursive: true, force: true });
  rmSync(owner.folder, { recursive: true, force: true });
}

function processesOf({ guests, network, relays }: LabState): ProcessRecord[] {
  const machines = GUEST_NAMES.map((name) => guests[name].process);
  return [...machines, ...relays, network.holder].filter((process) => process !== undefined);
}

/** Node's copy would write the holes out. */
function copySparse(from: string, to: string): void {
  const { status, stderr } = spawnSync("cp", ["--sparse=always", from, to], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot copy ${from} to ${to}: ${stderr}`);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function timed(log: (line: string) => void, what: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now();
  await work();
  log(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
