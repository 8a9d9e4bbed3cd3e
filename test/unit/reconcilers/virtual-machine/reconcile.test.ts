import { describe, expect, it, test } from "vitest";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import { Store, TestHost, vmOf } from "./world.ts";

const DISKS = [{ target: "vda", source: { volumeRef: { name: "disk" } }, readOnly: false }];

function world(spec = {}) {
  const store = new Store();
  store.put(vmOf(spec));
  return { store, alpha: new TestHost("alpha", store), beta: new TestHost("beta", store) };
}

describe("a guest that should run", () => {
  it("gets the record first, is made, let run, and only then called Ready", async () => {
    const { store, alpha } = world({ disks: DISKS });
    await alpha.pass();
    expect(store.holders).toEqual(["alpha"]);
    expect(alpha.hypervisor.acts).toEqual(["prepare web", "resume web"]);
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Running" });
    expect(alpha.condition("DisksReady")?.status).toBe("True");
    expect(store.get().status).toMatchObject({
      phase: "Running",
      memory: "128Mi",
      console: "on alpha: console uid-web",
    });
  });

  it("is left alone by further passes, and by an agent that was started anew", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    const version = store.get().metadata.resourceVersion;
    await alpha.pass();
    expect(alpha.hypervisor.acts).toHaveLength(2);
    expect(store.holders).toHaveLength(1);
    expect(Number(store.get().metadata.resourceVersion)).toBeLessThanOrEqual(Number(version) + 1);
  });

  it("is started on no host that was not chosen", async () => {
    const { beta } = world();
    await beta.pass();
    expect(beta.hypervisor.acts).toEqual([]);
  });

  it("is not started while the API does not answer, whatever the cache says", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    alpha.hypervisor.remove("uid-web");
    alpha.uptime += 100;
    store.reachable = false;
    await expect(alpha.pass()).rejects.toThrow();
    expect(alpha.hypervisor.guests.size).toBe(0);
  });

  it("is not started from a cache of yesterday, when another host has the record by now", async () => {
    const { store, alpha, beta } = world();
    await alpha.pass();
    const yesterday = store.get();
    alpha.hypervisor.remove("uid-web");
    // A controller that knows alpha to be dead gave the record to beta.
    store.put({ ...store.get(), status: { hostName: "beta", run: { epoch: 2 } } });
    await beta.pass();
    expect(beta.hypervisor.guests.size).toBe(1);
    alpha.stale = yesterday;
    alpha.uptime += 100;
    await alpha.pass();
    expect(alpha.hypervisor.guests.size).toBe(0);
    expect(store.get().status?.run?.hostName).toBe("beta");
  });

  it("loses the race for the record without starting anything", async () => {
    const { store, alpha } = world();
    const runs = { ...store.runs };
    let first = true;
    Object.assign(store.runs, {
      write: async (...args: Parameters<typeof runs.write>) => {
        if (first) {
          first = false;
          store.put({ ...store.get(), status: { hostName: "beta", run: { epoch: 1, hostName: "beta" } } });
        }
        return runs.write(...args);
      },
    });
    await alpha.pass();
    expect(alpha.hypervisor.acts).toEqual([]);
    expect(store.get().status?.run).toEqual({ epoch: 1, hostName: "beta" });
  });
});

describe("a guest that may not run here", () => {
  it("is ended when another host has the record, and this host says nothing in the status", async () => {
    const { store, alpha } = world();
    alpha.hypervisor.add({ uid: "uid-web", name: "web" });
    store.put({ ...store.get(), status: { hostName: "beta", run: { epoch: 7, hostName: "beta" }, phase: "Running" } });
    await alpha.pass();
    expect(alpha.hypervisor.acts).toEqual(["destroy web"]);
    expect(store.get().status).toEqual({ hostName: "beta", run: { epoch: 7, hostName: "beta" }, phase: "Running" });
  });

  it("is not ended because of a cache of yesterday", async () => {
    const { store, alpha } = world();
    const yesterday = { ...store.get(), status: { hostName: "beta", run: { epoch: 1, hostName: "beta" } } };
    store.put({ ...store.get(), status: { hostName: "alpha", run: { epoch: 3, hostName: "alpha" } } });
    alpha.hypervisor.add({ uid: "uid-web", name: "web" });
    alpha.stale = yesterday;
    await alpha.pass();
    expect(alpha.hypervisor.acts).toEqual([]);
  });

  it("is ended, and its record given back, when another host has taken its disk over", async () => {
    const { store, alpha } = world({
      disks: [{ target: "vda", source: { mirrorRef: { name: "m" } }, readOnly: false }],
    });
    const replica = (needsReboot: "True" | "False") =>
      ({
        metadata: { namespace: "default", name: "m-alpha" },
        spec: { mirrorRef: { name: "m" }, hostName: "alpha", role: "Primary" },
        status: {
          role: "Primary",
          devicePath: "/dev/drbd1000",
          conditions: [{ type: "NeedsReboot", status: needsReboot, reason: "", message: "", lastTransitionTime: "" }],
        },
      }) as unknown as MirrorReplica;
    alpha.replicas = [replica("False")];
    await alpha.pass();
    expect(alpha.hypervisor.guests.size).toBe(1);
    alpha.replicas = [replica("True")];
    await alpha.pass();
    expect(alpha.hypervisor.acts.at(-1)).toBe("destroy web");
    expect(alpha.events.at(-1)).toMatch(/another host has taken its disk over/);
    expect(alpha.condition()).toMatchObject({ status: "False", reason: "Overruled" });
    expect(store.get().status?.run?.hostName).toBeUndefined();
  });

  it("is kept when its record was lost and nobody else has it", async () => {
    const { store, alpha } = world();
    alpha.hypervisor.add({ uid: "uid-web", name: "web" });
    await alpha.pass();
    expect(alpha.hypervisor.acts).toEqual([]);
    expect(store.get().status?.run?.hostName).toBe("alpha");
  });
});

describe("a guest that ends", () => {
  it("is started again, and with growing pauses when it does not last", async () => {
    const { alpha } = world();
    const pauses: number[] = [];
    for (let starts = 0; starts < 4; starts++) {
      await alpha.pass();
      alpha.hypervisor.remove("uid-web");
      const result = await alpha.pass();
      pauses.push(result.kind === "requeueAfter" ? result.ms / 1000 : 0);
      alpha.uptime += pauses.at(-1) ?? 0;
    }
    expect(pauses).toEqual([5, 10, 20, 40]);
    expect(alpha.condition()).toMatchObject({ reason: "CrashLoopBackOff" });
    expect(alpha.condition()?.message).toMatch(/4 time\(s\).*next start in 40 s.*the last line/);
  });

  it("is started again at once when it had lasted", async () => {
    const { alpha } = world();
    await alpha.pass();
    alpha.uptime += 61;
    await alpha.pass();
    alpha.hypervisor.remove("uid-web");
    await alpha.pass();
    expect(alpha.hypervisor.guests.size).toBe(1);
  });

  it("counts a start that failed as one that did not last", async () => {
    const { alpha } = world();
    alpha.hypervisor.refusal = "no such kernel";
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({
      status: "False",
      reason: "StartFailed",
      message: "alpha: no such kernel",
    });
    await alpha.pass();
    expect(alpha.hypervisor.acts).toEqual(["prepare web"]);
    expect(alpha.condition()).toMatchObject({
      reason: "StartFailed",
      message: "alpha: no such kernel; next start in 5 s",
    });
  });

  it("forgets why a start failed as soon as one succeeds", async () => {
    const { alpha } = world();
    alpha.hypervisor.refusal = "no such kernel";
    await alpha.pass();
    alpha.hypervisor.refusal = undefined;
    alpha.uptime += 10;
    await alpha.pass();
    alpha.hypervisor.remove("uid-web");
    await alpha.pass();
    expect(alpha.condition()?.reason).toBe("CrashLoopBackOff");
  });
});

describe("a guest that should end", () => {
  it("is asked first, and its record is given back when it is gone", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    store.change({ runStrategy: "Halted" });
    await alpha.pass();
    expect(alpha.hypervisor.acts.slice(2)).toEqual(["shut down web"]);
    await alpha.pass();
    expect(store.holders).toEqual(["alpha", undefined]);
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Halted" });
  });

  it("is switched off when its deadline is over, also by an agent that was started anew meanwhile", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    alpha.hypervisor.heedsButton = false;
    store.change({ runStrategy: "Halted", shutdownDeadline: "30s" });
    await alpha.pass();
    alpha.uptime += 20;
    await alpha.pass();
    expect(alpha.hypervisor.guests.size).toBe(1);
    expect(store.get().status?.run?.hostName).toBe("alpha");
    alpha.uptime += 11;
    await alpha.pass();
    expect(alpha.hypervisor.acts.at(-1)).toBe("destroy web");
    expect(store.get().status?.run?.hostName).toBeUndefined();
  });

  it("keeps its record while the kernel still holds its devices", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    for (const guest of alpha.hypervisor.guests.values()) guest.state = "dying";
    store.change({ runStrategy: "Halted" });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "False", reason: "Dying" });
    expect(store.get().status?.run?.hostName).toBe("alpha");
  });

  it("is ended before its object goes, and nothing is left of it", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    const vm = store.get();
    store.put({ ...vm, metadata: { ...vm.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } });
    await alpha.pass();
    expect(alpha.removed).toBe(false);
    await alpha.pass();
    expect(alpha.removed).toBe(true);
    expect(alpha.hypervisor.acts.slice(2)).toEqual(["shut down web", "forget uid-web"]);
  });
});

describe("what cannot be", () => {
  test.each([
    {
      name: "a disk that is elsewhere",
      spec: { disks: [{ target: "vda", source: { volumeRef: { name: "gone" } }, readOnly: false }] },
      reason: "SourceNotReady",
      message: /disk vda: Volume gone has no device on alpha/,
    },
    {
      name: "a bridge that is not there",
      spec: { networks: [{ bridge: "br9" }] },
      reason: "BridgeMissing",
      message: /alpha: there is no bridge br9 on this host: it has br0/,
    },
    {
      name: "memory that the host has not",
      spec: { memory: { size: "2Gi" } },
      reason: "InsufficientMemory",
      message: /2048 MiB are asked for, 878 MiB are free/,
    },
  ])("$name is said in Ready, and nothing is started", async ({ spec, reason, message }) => {
    const { alpha } = world(spec);
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "False", reason });
    expect(alpha.condition()?.message).toMatch(message);
    expect(alpha.hypervisor.acts).toEqual([]);
  });

  it("a disk that is mounted on the host is refused", async () => {
    const { alpha } = world({ disks: DISKS });
    alpha.lsblk = '{"blockdevices":[{"path":"/dev/vg/disk","type":"lvm","mountpoint":"/srv"}]}';
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ reason: "DiskInUse" });
    expect(alpha.condition()?.message).toMatch(
      /disk vda: \/dev\/vg\/disk is in use on this host: it is mounted at \/srv/,
    );
  });

  it("a kernel that is not there is named", async () => {
    const { alpha } = world();
    alpha.missing.add("/boot/vmlinuz");
    await alpha.pass();
    expect(alpha.condition()?.message).toMatch(/spec.boot.kernel: there is no file \/boot\/vmlinuz/);
  });

  it("a name that a stranger has is refused, until it is adopted", async () => {
    const { store, alpha } = world();
    alpha.hypervisor.add({ uid: "stranger", name: "web" });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ reason: "NameTaken" });
    store.change({ adopt: { domainName: "web" } });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Running" });
    expect(alpha.hypervisor.acts).toEqual([]);
  });

  it("the guest of another object is not adopted, nor one that an older object has adopted", async () => {
    const { store, alpha } = world({ adopt: { domainName: "mail" } });
    store.put({ ...vmOf({}, "mail"), status: {} });
    const others = alpha.hypervisor.add({ uid: "uid-mail", name: "mail" });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ reason: "NameTaken" });
    store.vms.delete("mail");
    const older = vmOf({ adopt: { domainName: "mail" } }, "elder");
    store.put({ ...older, metadata: { ...older.metadata, creationTimestamp: "", uid: "a" } });
    await alpha.pass();
    expect(alpha.hypervisor.guests.get(others.id)?.state).toBe("running");
    expect(alpha.condition()?.status).toBe("False");
    store.vms.delete("elder");
    alpha.uptime += 1000;
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Running" });
  });

  it("a hypervisor that the host has not is named", async () => {
    const { alpha } = world({ hypervisor: "Xen" });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ reason: "HypervisorMissing" });
  });
});

describe("a running guest whose spec changes", () => {
  it("gives memory back at once, and is told what needs another start", async () => {
    const { store, alpha } = world();
    await alpha.pass();
    store.change({ memory: { size: "96Mi" }, cpus: 2 });
    await alpha.pass();
    expect(alpha.hypervisor.acts.at(-1)).toBe(`balloon web ${96 * 2 ** 20}`);
    expect(alpha.condition()?.message).toMatch(/spec.cpus was changed: in force when it is started again/);
    store.change({ memory: { size: "256Mi" } });
    await alpha.pass();
    expect(alpha.hypervisor.acts.at(-1)).toBe(`balloon web ${128 * 2 ** 20}`);
    expect(alpha.condition()?.message).toMatch(/spec.memory.size was changed/);
  });

  it("stands still while a disk fails, and goes on by itself", async () => {
    const { alpha } = world();
    await alpha.pass();
    for (const guest of alpha.hypervisor.guests.values()) guest.state = "ioError";
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "False", reason: "DiskError" });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Running" });
  });
});
