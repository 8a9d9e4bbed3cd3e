import { describe, expect, it } from "vitest";
import type { Export, ExportStatus } from "../../../../crds/generated/export.ts";
import type { Host } from "../../../../crds/generated/host.ts";
import type { Import } from "../../../../crds/generated/import.ts";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import type { Volume } from "../../../../crds/generated/volume.ts";
import type { Command, Executor } from "../../../../executors/command/types.ts";
import type { Session } from "../../../../executors/nbd/report.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { ServedDevices } from "../../../../reconcilers/served-devices.ts";
import { exportReconciler } from "../../../../reconcilers/export/reconcile.ts";

const RUN = "/run/ferrite/nbd";

/** What nbd-sessions does to a host, without the processes. */
class Machine {
  readonly files = new Map<string, string>();
  readonly acts: string[] = [];
  sessions: Session[] = [];
  #loaded: string | undefined;

  readonly exec: Executor = {
    run: (command) => Promise.resolve({ exitCode: 0, stdout: this.#run(command), stderr: "" }),
    write: (file) => {
      if (!file.path.endsWith(".permit")) this.acts.push(`write ${file.path.slice(RUN.length + 1)}`);
      this.files.set(file.path, file.content);
      return Promise.resolve();
    },
    read: (path) => Promise.resolve(this.files.get(path)),
    realPath: (path) => Promise.resolve(path),
  };

  #configuration = () => JSON.stringify([...this.files].filter(([path]) => /config$|\.conf$/.test(path)));

  #run({ argv }: Command): string {
    const [, , verb = "", key = "", pid = ""] = argv;
    if (verb !== "list") this.acts.push([verb, key, pid].join(" ").trim());
    if (verb === "serve") this.#loaded = this.#configuration();
    if (verb === "cut") this.sessions = this.sessions.filter((each) => each.pid !== Number(pid));
    if (verb === "end") {
      this.files.delete(`${RUN}/conf.d/${key}.conf`);
      this.files.delete(`${RUN}/${key}.allow`);
      this.sessions = this.sessions.filter((each) => each.key !== key);
      this.#loaded = undefined;
    }
    const exports = [...this.files.keys()].flatMap((path) => /conf\.d\/(.*)\.conf$/.exec(path)?.[1] ?? []);
    const listener =
      this.#loaded === undefined ? "none" : this.#loaded === this.#configuration() ? "current" : "outdated";
    return JSON.stringify({ listener, uptimeSeconds: 100, exports, sessions: this.sessions });
  }
}

const exported = (hostName = "alpha"): Export => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Export",
  metadata: { namespace: "default", name: "e", uid: "u", finalizers: ["ferrite.dev/cleanup"] },
  spec: {
    mirrorRef: { name: "m" },
    protocol: "NBD",
    readOnly: false,
    clients: [{ hostName: "gamma" }, { cidr: "198.51.100.0/24" }],
  },
  status: { hostName },
});
const replica = (role: "Primary" | "Secondary"): MirrorReplica =>
  ({
    metadata: { namespace: "default", name: "m-alpha" },
    spec: { mirrorRef: { name: "m" }, hostName: "alpha", role },
    status: { role: "Primary", devicePath: "/dev/drbd1000" },
  }) as MirrorReplica;
const host = { metadata: { name: "gamma" }, spec: { address: "192.0.2.3" } } as Host;

const reader = <T>(all: readonly T[]) => ({
  list: () => all,
  get: ({ name }: { name: string }) =>
    all.find((each) => (each as { metadata: { name: string } }).metadata.name === name),
});

interface World {
  readonly cached?: Export;
  /** What a read by quorum gives; `down`: the API does not answer. */
  readonly stored?: Export | "down";
  readonly role?: "Primary" | "Secondary";
}

async function pass(machine: Machine, { cached = exported(), stored = cached, role = "Primary" }: World = {}) {
  let status: ExportStatus | undefined;
  let releases = 0;
  const served = new ServedDevices();
  const reconcile = exportReconciler({
    hostName: "alpha",
    address: "192.0.2.1",
    exec: machine.exec,
    exports: {
      ...reader([cached]),
      addFinalizer: () => Promise.resolve(),
      removeFinalizer: () => Promise.resolve(),
      writeStatus: (_, written) => {
        status = written;
        return Promise.resolve();
      },
      event: () => undefined,
    },
    hosts: reader([host]),
    volumes: reader<Volume>([]),
    imports: reader<Import>([]),
    replicas: reader([replica(role)]),
    served,
    released: () => {
      releases++;
    },
    secret: () => Promise.resolve(undefined),
    readExport: () => (stored === "down" ? Promise.reject(new Error("no API")) : Promise.resolve(stored)),
  });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  const result = await reconcile(context, { namespace: "default", name: "e" }).catch((error: Error) => error.message);
  return { status, releases, result, ready: status?.conditions?.[0]?.status, served: served.by("/dev/drbd1000") };
}

const session: Session = { key: "e", pid: 7, address: "192.0.2.3", port: 5000, mode: "rw", sinceSeconds: 0 };

describe("exportReconciler", () => {
  it("lets the hosts and networks of the list in, and tells where and who", async () => {
    const machine = new Machine();
    await pass(machine);
    machine.sessions = [session];
    const { status, ready, served } = await pass(machine);
    expect(served).toBe("e");
    expect(machine.files.get(`${RUN}/e.allow`)).toBe("192.0.2.3\n198.51.100.0/24\n");
    expect(ready).toBe("True");
    expect(status).toMatchObject({ address: "192.0.2.1", port: 10_809, target: "e" });
    expect(status?.connectedClients).toEqual([
      { address: "192.0.2.3:5000", hostName: "gamma", since: "1970-01-01T00:00:00Z" },
    ]);
  });

  it("opens nothing and renews no permit while the API does not answer", async () => {
    const machine = new Machine();
    expect(await pass(machine, { stored: "down" })).toMatchObject({ result: "no API" });
    expect([...machine.files.keys()]).toEqual([]);
    expect(machine.acts).toEqual([]);
  });

  it("goes by what the store says of the clients, not by its cache", async () => {
    const machine = new Machine();
    await pass(machine);
    machine.sessions = [session];
    const emptied = { ...exported(), spec: { ...exported().spec, clients: [] } };
    await pass(machine, { stored: emptied });
    expect(machine.sessions).toEqual([]);
    expect(machine.acts.slice(-2)).toEqual(["write e.allow", "cut e 7"]);
  });

  it("serves nothing when the store names another host", async () => {
    const machine = new Machine();
    expect((await pass(machine, { stored: exported("beta") })).ready).toBe("False");
    expect(machine.acts).toEqual([]);
  });

  it("lets go of the device as soon as the other side is to be primary, also without the API, and says so to who waits", async () => {
    const machine = new Machine();
    await pass(machine);
    machine.sessions = [session];
    const { status, releases, served } = await pass(machine, { role: "Secondary", stored: "down" });
    expect(served).toBeUndefined();
    expect(machine.sessions).toEqual([]);
    expect(machine.acts.at(-1)).toBe("end e");
    expect(releases).toBe(1);
    expect(status?.connectedClients).toBeUndefined();
  });

  it("leaves nothing on a host that no longer serves, and does nothing when nothing is left", async () => {
    const machine = new Machine();
    await pass(machine);
    await pass(machine, { cached: exported("beta") });
    expect([...machine.files.keys()].filter((path) => /allow|conf\.d/.test(path))).toEqual([]);
    const acts = machine.acts.length;
    expect((await pass(machine, { cached: exported("beta") })).releases).toBe(0);
    expect(machine.acts).toHaveLength(acts);
  });
});
