import { runAgent } from "../../agent/start.ts";
import { startControllers } from "../../controllers/start.ts";
import { HOST_USER_PREFIX } from "../../crds/constants.ts";
import type { HostPair, HostPairMirror, HostPairStatus } from "../../crds/generated/host-pair.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import type { Executor } from "../../executors/command/types.ts";
import { ModelDisk } from "../../executors/model/disk.ts";
import { DrbdModel } from "../../executors/model/drbd.ts";
import { modelMailbox } from "../../executors/model/mailbox.ts";
import { type MachineImage, ModelMachine } from "../../executors/model/machine.ts";
import { type ModelReplica, rank } from "../../executors/model/replica.ts";
import { type Random, seededRandom } from "../../machinery/random.ts";
import { VirtualClock } from "../../machinery/virtual-clock.ts";
import { ApiLink } from "./api-link.ts";
import { checkRecord, Checks, type Copy, Violation } from "./checks.ts";
import { SimulatedProcess } from "./process.ts";
import { type Json, SimulatedStore, type StoreImage } from "./store.ts";
import { traceLogger } from "./trace.ts";
import { Writer } from "./writer.ts";

export const HOSTS = ["alpha", "beta"] as const;
export type HostName = (typeof HOSTS)[number];
export const MIRROR_NAMES = ["m1", "m2"] as const;
export const PAIR = "alpha.beta";
const RESTART_MS = 2000;
/** As short as it may be: more happens in a life. */
export const LEASE_SECONDS = 3;
/** What a process does at one instant, far more than any pass needs. */
const MOST_STEPS = 10_000;
const HELPER = "/usr/lib/ferrite/drbd-helper";

/** How a life begins: two machines with whole mirrors, at rest. */
export interface Beginning {
  readonly store: StoreImage;
  readonly machines: ReadonlyMap<HostName, MachineImage>;
  readonly replicas: readonly ModelReplica[];
}

interface Running {
  readonly process: SimulatedProcess;
  readonly stop: AbortController;
}

/** Two machines, an API and the controllers, all in this process and on one virtual clock. Everything follows from the seed. */
export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly store: SimulatedStore;
  readonly drbd: DrbdModel;
  readonly checks: Checks;
  readonly machines = new Map<HostName, ModelMachine>();
  readonly links = new Map<string, ApiLink>();
  readonly writers: Writer[] = [];
  readonly lines: string[] = [];
  violation: Violation | undefined;
  /** How far each machine's wall clock is off. */
  readonly wallOffsetMs = new Map<string, number>();
  /** What an agent changes its machine with; a test may come between. */
  tools: (host: HostName, executor: Executor) => Executor = (_, executor) => executor;
  /** Agents that an administrator keeps down. */
  readonly #agents = new Map<HostName, Running>();
  #controllers: Running | undefined;
  #blocks = 0;
  #steps = { atMs: 0, count: 0 };
  readonly #verbose: boolean;

  constructor(seed: number, options: { readonly verbose?: boolean } = {}) {
    this.#verbose = options.verbose ?? false;
    this.random = seededRandom(seed);
    this.store = new SimulatedStore(this.clock, this.random);
    this.checks = new Checks({
      model: () => this.drbd,
      nowMs: () => this.clock.monotonicMs(),
      record: (name) => this.entry(name),
      copy: (host, name) => this.copy(host, name),
      report: (violation) => this.report(violation),
    });
    this.drbd = new DrbdModel({
      clock: this.clock,
      random: this.random,
      hosts: HOSTS,
      helper: (host, event, subject) => this.machine(host).helper(event, subject),
      changed: (replica) => this.#changed(replica),
    });
    for (const name of HOSTS) this.#addMachine(name);
    this.store.onWrite = (plural, before, after, user) => this.#written(plural, before, after, user);
    const link = new ApiLink({
      store: this.store,
      clock: this.clock,
      random: this.random,
      user: "ferrite-controllers",
    });
    this.links.set("controllers", link);
  }

  #addMachine(name: HostName): void {
    const disks = MIRROR_NAMES.map((mirror) => new ModelDisk(`/dev/${name}-${mirror}`));
    const model = () => this.drbd;
    this.machines.set(name, new ModelMachine(name, disks, { clock: this.clock, random: this.random, model }));
    const { store, clock, random } = this;
    this.links.set(name, new ApiLink({ store, clock, random, user: HOST_USER_PREFIX + name }));
    for (const mirror of MIRROR_NAMES)
      this.writers.push(
        new Writer({
          name: mirror,
          host: name,
          model,
          clock,
          random,
          checks: this.checks,
          mayRun: () => this.mirror(mirror)?.spec.primary?.hostName === name,
          nextBlock: () => ++this.#blocks,
        }),
      );
  }

  machine(name: string): ModelMachine {
    const found = this.machines.get(name as HostName);
    if (found === undefined) throw new RangeError(`there is no machine ${name}`);
    return found;
  }

  mirror(name: string): Mirror | undefined {
    return this.store.get("mirrors", "default", name) as Mirror | undefined;
  }

  get record(): HostPairStatus | undefined {
    return (this.store.get("hostpairs", "", PAIR) as unknown as HostPair | undefined)?.status;
  }

  entry(name: string): HostPairMirror | undefined {
    return this.record?.mirrors.find((entry) => entry.name === name);
  }

  log(line: string): void {
    const text = `${(this.clock.monotonicMs() / 1000).toFixed(3).padStart(9)} ${line}`;
    this.lines.push(text);
    if (this.#verbose) process.stdout.write(`${text}\n`);
  }

  report(violation: Violation): void {
    if (this.violation === undefined) this.log(`VIOLATION ${violation.message}`);
    this.violation ??= violation;
  }

  #changed(replica: ModelReplica): void {
    const { name, host, role, diskState, peerDisk, peerRole, net, replication } = replica;
    const words = `${name}@${host} ${role}/${peerRole} ${diskState}/${peerDisk} ${net} ${replication}${replica.suspended ? " frozen" : ""}`;
    if (this.#last.get(`${name}@${host}`) !== words) this.log(`drbd ${words}`);
    this.#last.set(`${name}@${host}`, words);
    this.checks.changed(replica);
    this.machine(host).notify(name);
  }
  readonly #last = new Map<string, string>();

  /** One host's copy, as it is on its disk and as the host knows it. */
  copy(host: string, name: string): Copy {
    const machine = this.machine(host);
    const disk = this.#disk(host, name);
    const replica = this.drbd.kernel(host).get(name);
    const minor = replica?.options.minor ?? this.#minors.get(name);
    const uid = this.mirror(name)?.metadata.uid ?? "";
    const { metadata } = disk;
    const byKernel = replica !== undefined && rank(replica.diskState) < rank("Consistent");
    return {
      blocks: disk.blocks,
      failedUnmarked: disk.failedUnmarked,
      get knownBehind() {
        const { files } = machine;
        const lagging = JSON.parse(files.get("/var/lib/ferrite/lagging.json") ?? "[]") as string[];
        const marked = files.has(`/var/lib/ferrite/tombstones/minor-${minor}`) || lagging.includes(uid);
        return marked || byKernel || metadata?.consistent !== true || !metadata.wasUpToDate;
      },
    };
  }
  readonly #minors = new Map<string, number>();

  #written(plural: string, before: Json | undefined, after: Json, user: string): void {
    if (plural === "mirrorreplicas") {
      const { hostName, takeover, minor, mirrorRef } = (after as unknown as MirrorReplica).spec;
      this.#minors.set(mirrorRef.name, minor);
      if (takeover !== undefined) this.checks.ordered(hostName, takeover.epoch);
    }
    if (plural !== "hostpairs") return;
    const pair = after as unknown as HostPair;
    const problem = checkRecord((before as unknown as HostPair | undefined)?.status, pair, user);
    const { epoch, mirrors = [], decision } = pair.status ?? {};
    const entries = mirrors.map(
      ({ name, members, primary }) => `${name}[${members.join("+")}] primary ${primary ?? "-"}`,
    );
    this.log(`record epoch ${epoch ?? 0} ${decision?.reason ?? ""} by ${decision?.by ?? "-"}: ${entries.join(", ")}`);
    if (problem !== undefined) this.report(new Violation("record", problem));
    // A record of the past that a person writes a word to (`spec.trust`) is still believed by nobody.
    if (pair.status !== undefined && pair.status !== before?.["status"])
      this.checks.recorded((before as unknown as HostPair | undefined)?.status, pair.status);
  }

  startAgent(name: HostName): void {
    const machine = this.machine(name);
    if (!machine.up || this.#agents.get(name)?.process.alive === true) return;
    const process = new SimulatedProcess(
      this.clock,
      () => this.#step(name),
      () => this.wallOffsetMs.get(name) ?? 0,
    );
    const stop = new AbortController();
    this.#agents.set(name, { process, stop });
    this.log(`agent of ${name} starts`);
    const link = this.links.get(name);
    if (link === undefined) throw new RangeError(`no link of ${name}`);
    const ended = runAgent(
      {
        hostName: name,
        address: name === "alpha" ? "10.0.0.1" : "10.0.0.2",
        transport: link.transport(process),
        exec: process.executor(this.tools(name, machine.executor)),
        follow: process.follow(machine.follow),
        mailbox: process.mailbox(modelMailbox(machine)),
        hypervisors: {},
        clock: process.clock,
        random: this.random,
        log: traceLogger((line) => this.log(`${name}: ${line}`)),
        stateDir: "/var/lib/ferrite",
        helperPath: HELPER,
        version: "simulated",
        leaseSeconds: LEASE_SECONDS,
      },
      stop.signal,
    );
    void ended.catch((error: unknown) => {
      if (!process.alive) return;
      this.log(`agent of ${name} ended: ${String(error)}`);
      process.kill();
      this.clock.schedule(RESTART_MS, () => this.startAgent(name));
    });
  }

  killAgent(name: HostName): void {
    this.#agents.get(name)?.process.kill();
  }

  pauseAgent(name: HostName, paused: boolean): void {
    const process = this.#agents.get(name)?.process;
    if (paused) process?.pause();
    else process?.resume();
  }

  startControllers(): void {
    const process = new SimulatedProcess(this.clock, () => this.#step("the controllers"));
    const link = this.links.get("controllers");
    if (link === undefined) return;
    const running = startControllers({
      transport: link.transport(process),
      clock: process.clock,
      random: this.random,
      log: traceLogger((line) => this.log(`controllers: ${line}`)),
      instance: "one",
    });
    void running;
    this.#controllers = { process, stop: new AbortController() };
  }

  restartControllers(): void {
    this.#controllers?.process.kill();
    this.startControllers();
  }

  powerOn(name: HostName): void {
    const machine = this.machine(name);
    if (machine.up) return;
    this.log(`power of ${name} on`);
    machine.powerOn();
    this.startAgent(name);
  }

  powerOff(name: HostName): void {
    this.log(`power of ${name} off`);
    this.killAgent(name);
    this.machine(name).powerOff();
  }

  /** Lets this share of a machine's requests go wrong. */
  spoilApi(name: HostName, share: number): void {
    const link = this.links.get(name);
    if (link !== undefined) link.unreliable = share;
  }

  /** What an administrator does with kubectl. */
  setPrimary(mirror: string, hostName: HostName): void {
    this.log(`administrator: primary of ${mirror} to ${hostName}`);
    const request = {
      method: "PATCH" as const,
      path: `/apis/ferrite.dev/v1alpha1/namespaces/default/mirrors/${mirror}`,
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ spec: { primary: { hostName } } }),
    };
    this.store.handle(request, "admin");
  }

  /** A loop that waits for nothing would never let time pass. */
  #step(who: string): void {
    const atMs = this.clock.monotonicMs();
    if (this.#steps.atMs !== atMs) this.#steps = { atMs, count: 0 };
    if (++this.#steps.count < MOST_STEPS) return;
    throw this.livelock(`${who} took ${MOST_STEPS} steps and no time passed`);
  }

  livelock(message: string): Violation {
    const violation = new Violation("livelock", message);
    this.report(violation);
    for (const { process } of this.#agents.values()) process.kill();
    this.#controllers?.process.kill();
    return violation;
  }

  /** From empty disks: creates the objects and starts everything. */
  beginEmpty(primaries: readonly HostName[]): void {
    for (const name of HOSTS) this.#createHost(name);
    MIRROR_NAMES.forEach((name, index) => this.#createMirror(name, primaries[index] ?? "alpha"));
    this.startControllers();
    for (const name of HOSTS) this.powerOn(name);
  }

  /** From whole mirrors; every process starts. */
  begin({ store, machines, replicas }: Beginning): void {
    this.store.restore(store);
    for (const name of MIRROR_NAMES) {
      const replica = replicas.find((each) => each.name === name);
      if (replica !== undefined) this.#minors.set(name, replica.options.minor);
    }
    for (const [name, image] of machines) this.machine(name).restore(image);
    for (const name of MIRROR_NAMES) {
      const [a, b] = replicas
        .filter((replica) => replica.name === name)
        .map((replica) => replica.copy(this.#disk(replica.host, replica.name)));
      if (a !== undefined && b !== undefined) this.drbd.adopt(a, b);
    }
    for (const replica of this.drbd.all()) this.checks.changed(replica);
    this.startControllers();
    for (const name of HOSTS) this.startAgent(name);
  }

  #disk(host: string, name: string): ModelDisk {
    const disk = this.machine(host).disks.get(`/dev/${host}-${name}`);
    if (disk === undefined) throw new RangeError(`${host} has no disk for ${name}`);
    return disk;
  }

  /** How it is now, for other lives to begin with. */
  image(): Beginning {
    const machines = new Map([...this.machines].map(([name, machine]) => [name, machine.image()]));
    return { store: this.store.image(), machines, replicas: this.drbd.all() };
  }

  /** By the record, and none of its two members knows better. */
  isWhole(name: string): boolean {
    const entry = this.entry(name);
    if (entry?.members.length !== 2 || entry.primary !== this.mirror(name)?.spec.primary?.hostName) return false;
    return !entry.members.some((host) => this.copy(host, name).knownBehind);
  }

  #createHost(name: HostName): void {
    const spec = {
      address: name === "alpha" ? "10.0.0.1" : "10.0.0.2",
      unschedulable: false,
      maintenance: "None",
      memoryReserve: "1Gi",
    };
    this.#post("hosts", "", { apiVersion: "ferrite.dev/v1alpha1", kind: "Host", metadata: { name }, spec });
  }

  #createMirror(name: string, primary: HostName): void {
    const replicas = HOSTS.map((hostName) => ({ hostName, device: `/dev/${hostName}-${name}` }));
    const spec = {
      size: "64Mi",
      replicas,
      thin: false,
      primary: { hostName: primary },
      allowTwoPrimaries: "DuringMigration",
    };
    this.#post("mirrors", "default", {
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "Mirror",
      metadata: { name, namespace: "default" },
      spec,
    });
  }

  #post(plural: string, namespace: string, body: Json): void {
    const where = namespace === "" ? plural : `namespaces/${namespace}/${plural}`;
    this.store.handle(
      { method: "POST", path: `/apis/ferrite.dev/v1alpha1/${where}`, headers: {}, body: JSON.stringify(body) },
      "admin",
    );
  }
}
