import { CommandError } from "../command/errors.ts";
import type { Command, CommandOutput, Executor, FileWrite, Follow } from "../command/types.ts";
import type { Clock } from "../../machinery/clock.ts";
import { type Random, uuid } from "../../machinery/random.ts";
import { type DiskImage, ModelDisk } from "./disk.ts";
import type { DrbdModel } from "./drbd.ts";
import type { LvmModel } from "./lvm.ts";
import { DrbdTools, parseOptions, ToolFailure } from "./tools.ts";

/** A request that the kernel's helper left for the agent. */
export interface HelperRequest {
  readonly event: string;
  readonly subject: string;
  answer: number | undefined;
  readonly answered: (code: number) => void;
}

interface ModelMachineParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly model: () => DrbdModel;
  /** Its LVM; left out: it has none. */
  readonly lvm?: LvmModel;
}

/** Programs that the model of LVM answers for. */
const LVM_PROGRAMS = /^(lvm|wipefs|cmp|mkfs\.ext4|mkfs\.xfs|e2fsck|resize2fs|xfs_growfs|dd|blkdiscard|curl|sha256sum)$/;

/** A running machine at one time, without its kernel. */
export interface MachineImage {
  readonly boot: string;
  readonly files: ReadonlyMap<string, string>;
  readonly disks: ReadonlyMap<string, DiskImage>;
}

const WAITING = new Set(["fence-peer", "before-resync-target"]);
const INSTANT_READS = 0.9;
const FACTS: Readonly<Record<string, string>> = {
  "/proc/meminfo": "MemTotal:       16000000 kB\n",
  "/proc/cpuinfo": "processor\t: 0\n",
  "/proc/sys/kernel/osrelease": "6.1.0\n",
};
const HELPER_PARAMETER = "/sys/module/drbd/parameters/usermode_helper";

/** One machine: its files, disks and tools, over the DRBD model. A reboot keeps what is on disks. */
export class ModelMachine {
  readonly name: string;
  readonly disks: Map<string, ModelDisk>;
  /** Files by path; those below /run, /proc and /sys die with the power. */
  readonly files = new Map<string, string>();
  /** Requests that lie in /run and wait for the agent. */
  readonly requests = new Map<string, HelperRequest>();
  #boot = "";
  #up = false;
  #calls = 0;
  readonly #followers = new Set<(line: string) => void>();
  readonly #locks = new Map<string, Promise<unknown>>();
  readonly #parts: ModelMachineParts;

  constructor(name: string, disks: readonly ModelDisk[], parts: ModelMachineParts) {
    this.name = name;
    this.#parts = parts;
    this.disks = new Map(disks.map((disk) => [disk.path, disk]));
  }

  get up(): boolean {
    return this.#up;
  }

  get boot(): string {
    return this.#boot;
  }

  powerOn(): void {
    this.#up = true;
    this.#boot = uuid(this.#parts.random);
  }

  powerOff(): void {
    this.#up = false;
    this.#boot = "";
    for (const disk of this.#unmarked) disk.failedUnmarked = true;
    this.#unmarked.clear();
    this.requests.clear();
    this.#locks.clear();
    this.#followers.clear();
    for (const path of this.files.keys()) if (/^\/(run|proc|sys)\//.test(path)) this.files.delete(path);
    this.#parts.model().powerOff(this.name);
  }

  image(): MachineImage {
    const disks = new Map([...this.disks].map(([path, disk]) => [path, disk.image()]));
    return { boot: this.#boot, files: new Map(this.files), disks };
  }

  restore(image: MachineImage): void {
    this.#up = true;
    this.#boot = image.boot;
    for (const [path, content] of image.files) this.files.set(path, content);
    for (const [path, disk] of image.disks) this.disks.get(path)?.restore(disk);
  }

  /** The helper script (`manifests/install/drbd-helper`), called by the kernel. */
  async helper(event: string, subject: string): Promise<number | undefined> {
    const boot = this.#boot;
    const { clock, random } = this.#parts;
    const unmarked = event === "local-io-error" ? this.#diskOf(subject) : undefined;
    if (unmarked !== undefined) this.#unmarked.add(unmarked);
    await new Promise<void>((resolve) => clock.schedule(1 + random.next() * 20, resolve));
    if (boot !== this.#boot || !this.#up) return new Promise(() => {}); // nobody is left to hear it
    if (event === "local-io-error") this.#tombstone(subject);
    return new Promise((resolve) => {
      const id = `${++this.#calls}-${event}`;
      const answered = (code: number) => {
        this.requests.delete(id);
        clock.schedule(random.next() * 100, () => boot === this.#boot && resolve(code));
      };
      this.requests.set(id, { event, subject, answer: undefined, answered });
      if (!WAITING.has(event)) resolve(0);
    });
  }

  /** A helper process that is killed: the kernel takes the call for broken. */
  killHelpers(): void {
    for (const request of this.requests.values()) if (WAITING.has(request.event)) request.answered(BROKEN);
  }

  /** Disks that failed, whose helper has not come to mark them yet. */
  readonly #unmarked = new Set<ModelDisk>();

  #diskOf(subject: string): ModelDisk | undefined {
    for (const { options } of this.#parts.model().kernel(this.name).values())
      if (`minor-${options.minor}` === subject) return this.disks.get(options.diskPath);
    return undefined;
  }

  #tombstone(subject: string): void {
    const disk = this.#diskOf(subject);
    if (disk !== undefined) this.#unmarked.delete(disk);
    this.files.set(`/var/lib/ferrite/tombstones/${subject}`, "");
    const minor = Number(subject.slice("minor-".length));
    const model = this.#parts.model();
    for (const replica of model.kernel(this.name).values()) if (replica.options.minor === minor) model.reset(replica);
  }

  /** The state of a resource changed: who follows the events hears of it. */
  notify(resource: string): void {
    for (const tell of this.#followers) tell(`change resource name:${resource} role:Unknown`);
  }

  readonly executor: Executor = {
    run: (command, signal) => this.#run(command, signal),
    write: (file, signal) => this.#write(file, signal),
    read: (path, signal) => this.#readFile(path, signal),
    realPath: async (path) => this.#parts.lvm?.links.get(path) ?? path,
  };

  /** Reading takes no time worth speaking of, but now and then others come in between. */
  async #readFile(path: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#up && this.#parts.random.next() < INSTANT_READS) return this.#read(path);
    return this.#after(0.1 + this.#parts.random.next(), signal, () => this.#read(path));
  }

  readonly follow: Follow = (_argv, signal) => this.#follow(signal);

  async *#follow(signal: AbortSignal): AsyncGenerator<string> {
    const lines: string[] = [];
    let wake = Promise.withResolvers<void>();
    const tell = (line: string) => {
      lines.push(line);
      wake.resolve();
    };
    this.#followers.add(tell);
    const onAbort = () => wake.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        for (const line of lines.splice(0)) yield line;
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      this.#followers.delete(tell);
    }
  }

  /** What a machine that has lost its power does: nothing, for ever. */
  async #after<T>(ms: number, signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const boot = this.#boot;
    await new Promise<void>((resolve) => this.#parts.clock.schedule(ms, resolve));
    if (!this.#up || boot !== this.#boot) return new Promise(() => {});
    const result = await work();
    return this.#up && boot === this.#boot ? result : new Promise<T>(() => {});
  }

  #read(path: string): string | undefined {
    if (path === "/sys/module/drbd/version") return this.files.has(HELPER_PARAMETER) ? "8.4.11\n" : undefined;
    if (path === "/proc/sys/kernel/random/boot_id") return `${this.#boot}\n`;
    if (path === "/proc/sys/kernel/hostname") return `${this.name}\n`;
    return FACTS[path] ?? this.files.get(path);
  }

  #write(file: FileWrite, signal: AbortSignal): Promise<void> {
    return this.#after(2, signal, () => void this.files.set(file.path, file.content));
  }

  async #run(command: Command, signal: AbortSignal): Promise<CommandOutput> {
    const { clock, random } = this.#parts;
    const fail = (exitCode: number, stderr: string, unknown?: string) =>
      new CommandError(
        command,
        { exitCode, stdout: "", stderr },
        unknown === undefined ? {} : { outcomeUnknown: unknown },
      );
    const work = this.#after(2 + random.next() * 20, signal, async () => {
      try {
        if (this.#parts.lvm !== undefined && LVM_PROGRAMS.test(command.argv[0]))
          return await this.#lvm(this.#parts.lvm, command);
        return { exitCode: 0, stdout: await this.#tool(command), stderr: "" };
      } catch (error) {
        if (error instanceof ToolFailure) throw fail(error.exitCode, error.message);
        throw error;
      }
    });
    const timeoutMs = command.timeoutMs ?? 30_000;
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.schedule(timeoutMs, () => reject(fail(-1, "", `no end after ${timeoutMs} ms`)));
    });
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(fail(-1, "", "ended from outside")), { once: true });
    });
    void work.catch(() => undefined);
    try {
      return await Promise.race([work, late, aborted]);
    } finally {
      cancel();
    }
  }

  /** Logical volumes are disks, for DRBD. */
  async #lvm(lvm: LvmModel, command: Command): Promise<CommandOutput> {
    const output = await lvm.run(command);
    if (command.mutates) this.#followVolumes(lvm);
    return output;
  }

  #followVolumes(lvm: LvmModel): void {
    const volumes = lvm.devices();
    for (const [path, sizeBytes] of volumes) {
      const disk = this.disks.get(path);
      if (disk === undefined) this.disks.set(path, new ModelDisk(path, sizeBytes));
      else disk.sizeBytes = sizeBytes;
    }
    for (const path of this.disks.keys())
      if (path.split("/").length === 4 && !volumes.has(path)) this.disks.delete(path);
  }

  /** What `lsblk --json` says of the disks of LVM's model, all or one; nothing stands on them. */
  #lsblk(last: string): string {
    const asked = [...(this.#parts.lvm?.disks ?? [])].filter(([path]) => !last.startsWith("/") || path === last);
    const disks = asked.map(([path, { sizeBytes, signatures }]) => ({
      path,
      kname: path.slice("/dev/".length),
      type: "disk",
      size: sizeBytes,
      model: "model",
      serial: null,
      rota: false,
      fstype: signatures[0] ?? null,
      pttype: null,
      mountpoint: null,
    }));
    return JSON.stringify({ blockdevices: disks });
  }

  /** drbdsetup holds the resource's lock for as long as a state change takes. */
  async #locked<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const before = this.#locks.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#locks.set(
      name,
      mine.catch(() => undefined),
    );
    return mine;
  }

  #tool({ argv, stdin }: Command): string | Promise<string> {
    const [program, ...args] = argv;
    if (program === "lsblk") return this.#lsblk(args.at(-1) ?? "");
    if (program === "find") return this.#parts.lvm?.idLinks() ?? "";
    if (program === "modprobe") {
      this.files.set(HELPER_PARAMETER, `${args.at(-1)?.split("=")[1] ?? ""}\n`);
      return "";
    }
    if (program === "tee") {
      this.files.set(args[0] ?? "", `${stdin ?? ""}\n`);
      return "";
    }
    if (program === "rm") {
      for (const path of args) this.files.delete(path);
      return "";
    }
    if (program === "sh") return args.includes("lvm") ? "  LVM version:     2.03.16(2)\n" : "";
    if (program === "blkid") throw new ToolFailure(2, "");
    if (program === "drbdadm" || program === "drbdsetup") return this.#drbd(program, args);
    return "";
  }

  #drbd(program: string, args: readonly string[]): string | Promise<string> {
    const tools = new DrbdTools(this.#parts.model(), this.name, this.disks);
    const force = args.includes("--force");
    const words = args.filter((word) => !word.startsWith("--"));
    const [verb = "", subject = ""] = words;
    if (verb === "events2") return tools.events();
    if (verb === "show") return tools.show(subject);
    if (verb === "get-gi" && program === "drbdsetup") return tools.generations(Number(subject));
    if (verb === "suspend-io" || verb === "resume-io") {
      if (verb === "suspend-io") tools.suspend(Number(subject));
      else tools.resume(Number(subject));
      return "";
    }
    // Tuning by minor: nothing that the model knows.
    if (program === "drbdsetup" && verb === "disk-options") return "";
    const text = this.files.get(`/etc/drbd.d/${subject}.res`);
    if (program === "drbdadm" && text === undefined) throw new ToolFailure(1, "no resources defined!\n");
    const options = parseOptions(text ?? "", this.name);
    if (verb === "dump-md") {
      if (!tools.hasMetadata(options.diskPath)) throw new ToolFailure(1, "No valid meta data found\n");
      const [current, bitmap] = tools.storedGenerations(options.diskPath).split(":");
      return `version "v08";\n\nuuid {\n    0x${current}; 0x${bitmap};\n}\n`;
    }
    if (verb === "get-gi") return tools.storedGenerations(options.diskPath);
    return this.#locked(subject, async () => {
      const discard = args.includes("--discard-my-data");
      await change(tools, verb, subject, { force, discard, options, kernel: this.#parts.model().kernel(this.name) });
      return "";
    });
  }
}

const BROKEN = -1;

async function change(
  tools: DrbdTools,
  verb: string,
  name: string,
  context: {
    readonly force: boolean;
    readonly discard: boolean;
    readonly options: ReturnType<typeof parseOptions>;
    readonly kernel: ReturnType<DrbdModel["kernel"]>;
  },
): Promise<void> {
  const { force, discard, options, kernel } = context;
  switch (verb) {
    case "create-md":
      return tools.createMetadata(options.diskPath);
    case "wipe-md":
      return tools.wipeMetadata(options.diskPath);
    case "new-resource":
      return tools.newResource(name, options);
    case "new-minor":
      return tools.newMinor(name);
    case "attach":
      return tools.attach(name);
    case "detach":
      return tools.detach(name);
    case "adjust": {
      if (!kernel.has(name)) tools.newResource(name, options);
      tools.newMinor(name);
      tools.setOptions(name, options);
      if (kernel.get(name)?.disk === undefined) tools.attach(name);
      if (kernel.get(name)?.net === "StandAlone") tools.connect(name);
      return;
    }
    case "disk-options":
    case "net-options":
      return tools.setOptions(name, options);
    case "connect":
      return tools.connect(name, discard);
    case "verify":
      return tools.verify(name);
    case "disconnect":
      return tools.disconnect(name);
    case "primary":
      return tools.promote(name, force);
    case "secondary":
      return tools.demote(name);
    case "down":
      return tools.down(name);
    case "new-current-uuid":
      return tools.skipFirstSync(name);
    case "resize":
      return tools.resize(name);
    default:
      throw new ToolFailure(1, `the model knows no ${verb}\n`);
  }
}
