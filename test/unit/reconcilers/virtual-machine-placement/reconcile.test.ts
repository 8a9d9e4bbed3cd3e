import { describe, expect, it } from "vitest";
import type { Host } from "../../../../crds/generated/host.ts";
import type { VirtualMachine } from "../../../../crds/generated/virtual-machine.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { vmPlacementReconciler } from "../../../../reconcilers/virtual-machine-placement/reconcile.ts";
import { Store, vmOf } from "../virtual-machine/world.ts";

const condition = (type: string, status: "True" | "False") => ({
  type,
  status,
  reason: "",
  message: "",
  lastTransitionTime: "",
});
const host = (name: string, conditions = [condition("Ready", "True")], memory = "256Mi"): Host => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Host",
  metadata: { name },
  spec: { address: "192.0.2.1", memoryReserve: 0, unschedulable: false, maintenance: "None" },
  status: { conditions, allocatable: { memory }, software: { qemu: "7" } },
});

const none = { list: () => [], get: () => undefined };

/** A scheduler whose cache can be behind: what it writes is seen by it only after `catchUp`. */
function scheduler(store: Store, hosts: Host[]) {
  let cache = new Map<string, VirtualMachine>();
  const catchUp = () => {
    cache = new Map(store.vms);
  };
  catchUp();
  const reconcile = vmPlacementReconciler({
    volumes: none,
    mirrors: none,
    imports: none,
    runs: store.runs,
    hosts: { list: () => hosts, get: ({ name }) => hosts.find(({ metadata }) => metadata.name === name) },
    vms: {
      list: () => [...cache.values()],
      get: ({ name }) => cache.get(name),
      addFinalizer: () => Promise.resolve(),
      removeFinalizer: () => Promise.resolve(),
      writeStatus: async ({ metadata }, { conditions = [], ...fields }) => {
        const present = store.get(metadata.name);
        const kept = (present.status?.conditions ?? []).filter(({ type }) => !conditions.some((c) => c.type === type));
        const { hostName: _, ...status } = present.status ?? {};
        store.put({ ...present, status: { ...status, ...fields, conditions: [...kept, ...conditions] } });
      },
      event: () => undefined,
    },
  });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  const pass = (name = "web") => reconcile(context, { namespace: "default", name });
  return { pass, catchUp };
}
const say = (vm: VirtualMachine, type: string) => vm.status?.conditions?.find((each) => each.type === type);
const unplaced = (name: string) => ({ ...vmOf({}, name), status: {} });

describe("vmPlacementReconciler", () => {
  it("names a host and leaves Ready to its agent", async () => {
    const store = new Store();
    store.put(unplaced("web"));
    await scheduler(store, [host("alpha")]).pass();
    expect(store.get().status?.hostName).toBe("alpha");
    expect(say(store.get(), "Scheduled")).toMatchObject({ status: "True", reason: "Placed" });
    expect(say(store.get(), "Ready")).toBeUndefined();
  });

  it("promises no memory twice, although its cache does not show its own writes yet", async () => {
    const store = new Store();
    for (const name of ["a", "b", "c"]) store.put(unplaced(name));
    const { pass } = scheduler(store, [host("alpha")]);
    for (const name of ["a", "b", "c"]) await pass(name);
    expect(["a", "b", "c"].map((name) => store.get(name).status?.hostName)).toEqual(["alpha", "alpha", undefined]);
    expect(say(store.get("c"), "Ready")?.message).toBe(
      "0/1 hosts can run it: alpha: 128Mi of memory are asked for, 0Mi of 256Mi are left",
    );
  });

  it("follows the record: a guest that may run somewhere is not named another host", async () => {
    const store = new Store();
    store.put({ ...vmOf({ placement: { hostName: "beta" } }), status: { run: { epoch: 3, hostName: "alpha" } } });
    await scheduler(store, [host("alpha"), host("beta")]).pass();
    expect(store.get().status?.hostName).toBe("alpha");
    expect(say(store.get(), "Scheduled")).toMatchObject({ status: "False", reason: "Misplaced" });
    expect(store.get().status?.run).toEqual({ epoch: 3, hostName: "alpha" });
  });

  it("takes no record from a host that only does not answer, and says what would help", async () => {
    const store = new Store();
    store.put({ ...vmOf(), status: { hostName: "alpha", run: { epoch: 3, hostName: "alpha" } } });
    await scheduler(store, [host("alpha", [condition("Ready", "False")]), host("beta")]).pass();
    expect(store.get().status).toMatchObject({ hostName: "alpha", run: { epoch: 3, hostName: "alpha" } });
    expect(say(store.get(), "Ready")).toMatchObject({ status: "Unknown", reason: "HostLost" });
  });

  it.each([
    { name: "is confirmed to be off", hosts: [host("alpha", [condition("Fenced", "True")]), host("beta")] },
    { name: "was deleted", hosts: [host("beta")] },
  ])("starts it elsewhere when its host $name", async ({ hosts }) => {
    const store = new Store();
    store.put({ ...vmOf(), status: { hostName: "alpha", run: { epoch: 3, hostName: "alpha" } } });
    const { pass, catchUp } = scheduler(store, hosts);
    await pass();
    expect(store.get().status?.run).toEqual({ epoch: 4 });
    catchUp();
    await pass();
    expect(store.get().status?.hostName).toBe("beta");
  });

  it("takes no record that has changed hands meanwhile", async () => {
    const store = new Store();
    store.put({ ...vmOf(), status: { hostName: "alpha", run: { epoch: 3, hostName: "alpha" } } });
    const { pass } = scheduler(store, [host("beta")]);
    store.put({ ...store.get(), status: { hostName: "beta", run: { epoch: 5, hostName: "beta" } } });
    await pass();
    expect(store.get().status?.run).toEqual({ epoch: 5, hostName: "beta" });
  });
});
