import { describe, expect, it, test } from "vitest";
import type { Export } from "../../../../crds/generated/export.ts";
import type { Host } from "../../../../crds/generated/host.ts";
import type { Import, ImportStatus } from "../../../../crds/generated/import.ts";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import type { Volume } from "../../../../crds/generated/volume.ts";
import { CommandError } from "../../../../executors/command/errors.ts";
import type { Command, Executor } from "../../../../executors/command/types.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { importReconciler } from "../../../../reconcilers/import/reconcile.ts";

interface Device {
  readonly id: string;
  readonly path: string;
  readonly backend: string;
  readonly sizeBytes: number;
  readonly connected: boolean;
  readonly server?: { readonly address: string; readonly port: number };
}

/** What the programs of the importing side do to a host, without a kernel. */
class Machine {
  devices: Device[] = [];
  readonly links = new Map<string, string>();
  readonly commands: Command[] = [];
  /** What the server says to whoever connects; `undefined`: it lets in. */
  refusal: string | undefined;
  inUse = false;

  readonly exec: Executor = {
    run: (command) => {
      const [program, , verb = "", ...rest] = command.argv;
      if (verb !== "list") this.commands.push(command);
      if (program === "ln") this.links.set(command.argv[3]?.split("/").at(-1) ?? "", command.argv[2] ?? "");
      if (program === "rm") this.links.delete(command.argv[2]?.split("/").at(-1) ?? "");
      if (verb === "connect" || verb === "reconnect")
        return this.#attach(command, verb === "connect" ? rest : rest.slice(1));
      if (verb === "disconnect") return this.#detach(command, rest[0] ?? "");
      const links = [...this.links].map(([name, target]) => ({ name, target }));
      return Promise.resolve({ exitCode: 0, stdout: JSON.stringify({ devices: this.devices, links }), stderr: "" });
    },
    write: () => Promise.reject(new Error("nothing is written")),
    read: () => Promise.resolve(undefined),
    realPath: (path) => Promise.resolve(path),
  };

  #attach(command: Command, [address = "", port = "", , backend = ""]: readonly string[]) {
    if (this.refusal !== undefined)
      return Promise.reject(new CommandError(command, { exitCode: 1, stdout: "", stderr: this.refusal }));
    const server = { address, port: Number(port) };
    this.devices = [{ id: "7", path: "/dev/dev7", backend, sizeBytes: 512, connected: true, server }];
    return Promise.resolve({ exitCode: 0, stdout: "7\n", stderr: "" });
  }

  #detach(command: Command, id: string) {
    if (this.inUse) return Promise.reject(new CommandError(command, { exitCode: 16, stdout: "", stderr: "in use" }));
    this.devices = this.devices.filter((each) => each.id !== id);
    return Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
  }
}

const exported = (over: Partial<Export["spec"]> = {}, hostName = "alpha", uid = "e-uid"): Export => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Export",
  metadata: { namespace: "default", name: "e", uid },
  spec: { volumeRef: { name: "v" }, protocol: "NBD", readOnly: false, clients: [{ hostName: "gamma" }], ...over },
  status: { hostName, port: 4425 },
});
const imported: Import = {
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Import",
  metadata: { namespace: "default", name: "i", uid: "i-uid", finalizers: ["ferrite.dev/cleanup"] },
  spec: { exportRef: { name: "e" }, hostName: "gamma", reconnectTimeout: "90s", readOnly: false },
};
const hosts = ["alpha", "beta", "gamma"].map(
  (name, index) => ({ metadata: { name, uid: `uid-${name}` }, spec: { address: `192.0.2.${index + 1}` } }) as Host,
);
const volume = {
  metadata: { namespace: "default", name: "v" },
  status: { hostName: "gamma", devicePath: "/dev/vg/v" },
} as Volume;

const reader = <T>(all: readonly T[]) => ({
  list: () => all,
  get: ({ name }: { name: string }) =>
    all.find((each) => (each as { metadata: { name: string } }).metadata.name === name),
});

async function pass(machine: Machine, of: Export | undefined, one = imported, secrets: Record<string, string> = {}) {
  let status: ImportStatus | undefined;
  let finalized = false;
  const reconcile = importReconciler({
    hostName: "gamma",
    address: "192.0.2.3",
    exec: machine.exec,
    imports: {
      ...reader([one]),
      addFinalizer: () => Promise.resolve(),
      removeFinalizer: () => {
        finalized = true;
        return Promise.resolve();
      },
      writeStatus: (_, written) => {
        status = written;
        return Promise.resolve();
      },
      event: () => undefined,
    },
    exports: reader(of === undefined ? [] : [of]),
    hosts: reader(hosts),
    volumes: reader<Volume>([volume]),
    replicas: reader<MirrorReplica>([]),
    lister: { list: () => [] },
    secret: (_, __, key) => Promise.resolve(secrets[key]),
  });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  await reconcile(context, { namespace: "default", name: "i" });
  return { status, finalized, reason: status?.conditions?.find(({ type }) => type === "Ready")?.reason };
}
const words = (machine: Machine) =>
  machine.commands.map(({ argv }) => argv.slice(1).join(" ").replace("/usr/lib/ferrite/", ""));

describe("importReconciler", () => {
  test.each([
    [
      "NBD",
      "nbd-device connect 192.0.2.1 4425 e ferrite/i-uid/e-uid rw 90 192.0.2.3 iqn.2024-01.dev.ferrite:host.gamma",
    ],
    [
      "ISCSI",
      "iscsi-device connect 192.0.2.1 4425 iqn.2024-01.dev.ferrite:export.e ferrite/i-uid/e-uid rw 90 192.0.2.3 iqn.2024-01.dev.ferrite:host.gamma",
    ],
    [
      "NVMeTCP",
      "nvme-device connect 192.0.2.1 4425 nqn.2024-01.dev.ferrite:export.e ferrite/i-uid/e-uid rw 90 192.0.2.3 nqn.2014-08.org.nvmexpress:uuid:uid-gamma",
    ],
  ] as const)("attaches by %s where the export says, and links the device", async (protocol, command) => {
    const machine = new Machine();
    await pass(machine, exported({ protocol }));
    await pass(machine, exported({ protocol }));
    const { status, reason } = await pass(machine, exported({ protocol }));
    expect(words(machine)[0]).toBe(command);
    expect(machine.links.get("e")).toBe("/dev/dev7");
    expect(reason).toBe("Attached");
    expect(status).toMatchObject({
      devicePath: "/dev/gnbd/e",
      kernelDevice: "/dev/dev7",
      connectedTo: "192.0.2.1:4425",
    });
  });

  it("connects the same device to where the export has moved, and says meanwhile that I/O waits", async () => {
    const machine = new Machine();
    await pass(machine, exported());
    machine.devices = machine.devices.map((device) => ({ ...device, connected: false }));
    machine.refusal = "nobody there";
    const { status } = await pass(machine, exported({}, "beta"));
    expect(status?.conditions?.[0]).toMatchObject({ status: "False", reason: "Reconnecting" });
    expect(status?.conditions?.[0]?.message).toMatch(/nobody there; I\/O waits, for 90s/);
    machine.refusal = undefined;
    await pass(machine, exported({}, "beta"));
    expect(words(machine).at(-1)).toMatch(/^nbd-device reconnect 7 192\.0\.2\.2 /);
  });

  it("never connects a device that is in use to an export that was made anew", async () => {
    const machine = new Machine();
    await pass(machine, exported());
    machine.inUse = true;
    expect((await pass(machine, exported({}, "alpha", "other-uid"))).reason).toBe("ExportReplaced");
    expect(words(machine).filter((each) => / (re)?connect /.test(each))).toHaveLength(1);
  });

  it("gives a secret to the program by its standard input, and attaches nothing without it", async () => {
    const machine = new Machine();
    const of = exported({ protocol: "ISCSI", chapSecretRef: { name: "s" } });
    expect((await pass(machine, of)).reason).toBe("SecretMissing");
    expect(machine.commands).toEqual([]);
    await pass(machine, of, imported, { username: "user", password: "very secret" });
    expect(machine.commands[0]?.stdin).toBe("user\nvery secret\n");
    expect(words(machine)[0]).not.toContain("secret");
  });

  it("uses the local device where the export is served", async () => {
    const machine = new Machine();
    await pass(machine, exported({}, "gamma"));
    expect((await pass(machine, exported({}, "gamma"))).reason).toBe("LocalDevice");
    expect(machine.links.get("e")).toBe("/dev/vg/v");
  });

  test.each(["present", "gone"])(
    "keeps a device that is in use, then leaves nothing, with its export %s",
    async (state) => {
      const machine = new Machine();
      for (let passes = 0; passes < 2; passes++) await pass(machine, exported());
      const { status } = await pass(machine, exported());
      const deleted = { ...imported, metadata: { ...imported.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
      const one = status === undefined ? deleted : { ...deleted, status };
      const of = state === "present" ? exported() : undefined;
      machine.inUse = true;
      expect(await pass(machine, of, one)).toMatchObject({ finalized: false, reason: "InUse" });
      machine.inUse = false;
      await pass(machine, of, one);
      expect(await pass(machine, of, one)).toMatchObject({ finalized: true });
      expect([...machine.links.keys()]).toEqual([]);
    },
  );
});
