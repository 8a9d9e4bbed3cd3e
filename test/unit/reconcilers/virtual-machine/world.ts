import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import type { Import } from "../../../../crds/generated/import.ts";
import type { VirtualMachine, VirtualMachineSpec } from "../../../../crds/generated/virtual-machine.ts";
import type { Volume } from "../../../../crds/generated/volume.ts";
import type { Command, Executor } from "../../../../executors/command/types.ts";
import type { Hypervisor } from "../../../../executors/vm/guest.ts";
import { ModelHypervisor } from "../../../../executors/model/hypervisor.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import type { Result } from "../../../../machinery/result.ts";
import type { VirtualMachineDeps } from "../../../../reconcilers/virtual-machine/deps.ts";
import { virtualMachineReconciler } from "../../../../reconcilers/virtual-machine/reconcile.ts";

export const vmOf = (spec: Partial<VirtualMachineSpec> = {}, name = "web"): VirtualMachine => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "VirtualMachine",
  metadata: { namespace: "default", name, uid: `uid-${name}`, generation: 1, finalizers: ["ferrite.dev/cleanup"] },
  spec: {
    runStrategy: "Always",
    hypervisor: "KVM",
    cpus: 1,
    memory: { size: "128Mi" },
    boot: { kernel: "/boot/vmlinuz" },
    availability: { restartElsewhere: true, priority: 0, failback: "Manual" },
    shutdownDeadline: "90s",
    ...spec,
  },
  status: { hostName: "alpha" },
});

export const volumeOn = (hostName: string, name = "disk"): Volume =>
  ({
    metadata: { namespace: "default", name },
    status: { hostName, devicePath: `/dev/vg/${name}` },
  }) as Volume;

/** The store, as all hosts share it: objects by name, each with its version. */
export class Store {
  readonly vms = new Map<string, VirtualMachine>();
  /** Every holder that the record had, in order. */
  readonly holders: (string | undefined)[] = [];
  reachable = true;

  put(vm: VirtualMachine): void {
    const version = Number(this.vms.get(vm.metadata.name)?.metadata.resourceVersion ?? 0) + 1;
    this.vms.set(vm.metadata.name, { ...vm, metadata: { ...vm.metadata, resourceVersion: `${version}` } });
  }

  get(name = "web"): VirtualMachine {
    const vm = this.vms.get(name);
    if (vm === undefined) throw new Error(`no ${name}`);
    return vm;
  }

  change(change: Partial<VirtualMachineSpec>, name = "web"): void {
    const vm = this.get(name);
    this.put({ ...vm, spec: { ...vm.spec, ...change } });
  }

  readonly runs: VirtualMachineDeps["runs"] = {
    read: async ({ name }) => {
      if (!this.reachable) throw new Error("the API does not answer");
      return this.vms.get(name);
    },
    write: async (vm, hostName) => {
      if (!this.reachable) throw new Error("the API does not answer");
      const present = this.get(vm.metadata.name);
      if (present.metadata.resourceVersion !== vm.metadata.resourceVersion) return undefined;
      const run = { epoch: (present.status?.run?.epoch ?? 0) + 1, ...(hostName === undefined ? {} : { hostName }) };
      this.holders.push(hostName);
      this.put({ ...present, status: { ...present.status, run } });
      return this.get(vm.metadata.name);
    },
  };
}

/** One host with its agent's part for guests. What the agent sees of the store can be of yesterday. */
export class TestHost {
  readonly hypervisor = new ModelHypervisor();
  readonly files = new Map<string, string>();
  readonly events: string[] = [];
  volumes: Volume[] = [volumeOn("alpha"), volumeOn("beta")];
  replicas: MirrorReplica[] = [];
  bridges = ["br0"];
  missing = new Set<string>();
  lsblk = '{"blockdevices":[{"path":"/dev/vg/disk","type":"lvm","mountpoint":null}]}';
  uptime = 1000;
  removed = false;
  /** Instead of what the store has. */
  stale: VirtualMachine | undefined;
  readonly #name: string;
  readonly #store: Store;

  readonly #real: { readonly hypervisor: Hypervisor; readonly exec: Executor } | undefined;

  /** `real`: the machine's own tools, for tests that have them; its uptime is the test's all the same. */
  constructor(name: string, store: Store, real?: { readonly hypervisor: Hypervisor; readonly exec: Executor }) {
    this.#name = name;
    this.#store = store;
    this.#real = real;
  }

  readonly #exec: Executor = {
    run: (command, signal) => this.#real?.exec.run(command, signal) ?? this.#answer(command),
    realPath: (path) => Promise.resolve(path),
    write: async (file, signal) => {
      this.files.set(file.path, file.content);
      await this.#real?.exec.write(file, signal);
    },
    read: (path, signal) => {
      if (path === "/proc/uptime") return Promise.resolve(`${this.uptime} 1\n`);
      return this.#real?.exec.read(path, signal) ?? Promise.resolve(this.files.get(path));
    },
  };

  #answer = (command: Command) => Promise.resolve({ exitCode: 0, stdout: this.#run(command), stderr: "" });

  #run({ argv }: Command): string {
    if (argv[0] === "ip") return JSON.stringify(this.bridges.map((ifname) => ({ ifname })));
    if (argv[0] === "lsblk") return this.lsblk;
    if (argv[0] === "sh") return this.missing.has(argv.at(-1) ?? "") ? "" : "file\n";
    throw new Error(`not expected: ${argv.join(" ")}`);
  }

  async pass(name = "web"): Promise<Result> {
    const store = this.#store;
    const reconcile = virtualMachineReconciler({
      hostName: this.#name,
      exec: this.#exec,
      runs: store.runs,
      hypervisors: { KVM: this.#real?.hypervisor ?? this.hypervisor },
      volumes: {
        list: () => this.volumes,
        get: (request) =>
          this.volumes.find((each) => each.metadata.name === request.name && each.status?.hostName === this.#name),
      },
      replicas: { list: () => this.replicas, get: () => undefined },
      imports: { list: (): readonly Import[] => [], get: () => undefined },
      vms: {
        list: () => [...store.vms.values()],
        get: (request) => this.stale ?? store.vms.get(request.name),
        addFinalizer: () => Promise.resolve(),
        removeFinalizer: async () => {
          this.removed = true;
        },
        writeStatus: async (vm, { conditions, ...fields }) => {
          if (!store.reachable) throw new Error("the API does not answer");
          const present = store.get(vm.metadata.name);
          store.put({ ...present, status: { ...present.status, ...fields, ...(conditions && { conditions }) } });
        },
        event: (_, __, reason, message) => void this.events.push(`${reason}: ${message}`),
      },
    });
    const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
    return reconcile(context, { namespace: "default", name });
  }

  condition(type = "Ready", name = "web") {
    return this.#store.get(name).status?.conditions?.find((each) => each.type === type);
  }
}
