import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Mirror } from "../../crds/generated/mirror.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";

const ROOT = join(import.meta.dirname, "../..");
const HOSTS = 5;
const READY = ["wait", "--for=condition=Ready", "--timeout=200s"];
/** All of five agents and five kernels share a core with the control plane. */
const LIMIT_MS = 300_000;

let server: FerriteServer;
let kubectl: Kubectl;
let machines: ChildProcess | undefined;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  machines = await startMachines();
}, LIMIT_MS);

afterAll(async () => {
  machines?.kill("SIGKILL");
  await server.destroy();
});

async function startMachines(): Promise<ChildProcess> {
  const argv = [join(ROOT, "hack/simulated/main.ts"), server.kubeconfig, String(HOSTS)];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (text: Buffer) => text.toString().includes("joined") && resolve());
    child.once("exit", (code) => reject(new Error(`the simulated machines ended with ${code}`)));
  });
  return child;
}

const generated = async (): Promise<string> => {
  const child = spawn(process.execPath, [join(ROOT, "hack/simulated/objects.ts"), String(HOSTS)]);
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  return text;
};

const mirror = (name: string): Promise<Mirror> => kubectl.json(["get", "mirror", name]);

it(
  "real agents on model drivers bring the samples and a mirror between all neighbours to Ready",
  async () => {
    await vi.waitFor(
      async () => expect((await kubectl.ok(["get", "hosts", "-o", "name"])).split("\n")).toHaveLength(6),
      {
        timeout: 200_000,
        interval: 300,
      },
    );
    await kubectl.ok([...READY, "hosts", "--all"]);
    await kubectl.ok(["apply", "--server-side", "-f", "-"], await generated());
    for (const file of ["2-volume-groups.yaml", "3-volumes.yaml"]) {
      const manifest = readFileSync(join(ROOT, "hack/lab/manifests", file), "utf8");
      await kubectl.ok(["apply", "--server-side", "--force-conflicts", "-f", "-"], manifest);
    }
    await kubectl.ok([...READY, "volumegroups,volumes,snapshots,mirrors", "--all"]);
    const names = (await kubectl.ok(["get", "mirrors", "-o", "name"])).trim().split("\n");
    expect(names).toHaveLength(HOSTS - 1);
  },
  LIMIT_MS,
);

it(
  "a primary moves, and a mirror that grows has the new size",
  async () => {
    const wanted = { primary: { hostName: "beta" }, size: "192Mi" };
    await kubectl.ok(["patch", "mirror", "vmimage001", "--type=merge", "-p", JSON.stringify({ spec: wanted })]);
    await kubectl.ok(["wait", "mirror/vmimage001", "--for=jsonpath={.status.primary}=beta", "--timeout=200s"]);
    await vi.waitFor(
      async () => {
        const { status } = await mirror("vmimage001");
        expect(Number.parseInt(status?.capacity ?? "", 10)).toBeGreaterThanOrEqual(192);
        expect(status?.members).toEqual(["alpha", "beta"]);
      },
      { timeout: 90_000, interval: 300 },
    );
  },
  LIMIT_MS,
);

it(
  "a mirror is made as a copy of a volume, and its copies are compared when somebody asks",
  async () => {
    const copy = {
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "Mirror",
      metadata: { name: "copied", namespace: "default" },
      spec: {
        size: "192Mi",
        replicas: ["alpha", "beta"].map((hostName) => ({ hostName, volumeGroupRef: { name: `${hostName}-disks` } })),
        primary: { hostName: "beta" },
        source: { volumeRef: { name: "scratch" } },
      },
    };
    await kubectl.ok(["apply", "-f", "-"], JSON.stringify(copy));
    await vi.waitFor(
      async () => {
        const ready = (await mirror("copied")).status?.conditions?.find(({ type }) => type === "Ready");
        expect(ready?.message).toMatch(/scratch lies in VolumeGroup alpha-disks.*make the mirror with alpha/);
      },
      { timeout: 200_000, interval: 300 },
    );
    await kubectl.ok(["delete", "mirror", "copied", "--timeout=200s"]);
    const right = { ...copy, spec: { ...copy.spec, primary: { hostName: "alpha" }, verifyRequest: "first" } };
    await kubectl.ok(["apply", "-f", "-"], JSON.stringify(right));
    await kubectl.ok(["wait", "mirror/copied", "--for=condition=InSync", "--timeout=200s"]);
    await kubectl.ok(["wait", "mirror/copied", "--for=condition=Verified", "--timeout=200s"]);
    expect((await mirror("copied")).status?.verify).toMatchObject({
      state: "Finished",
      outOfSyncBytes: 0,
      request: "first",
    });
    const source = await kubectl.json<Volume>(["get", "volume", "copied-alpha"]);
    expect(source.spec.source).toEqual({ volumeRef: { name: "scratch" } });
    expect((await kubectl.json<Volume>(["get", "volume", "copied-beta"])).spec.source).toBeUndefined();
  },
  LIMIT_MS,
);

it(
  "what is deleted goes from the machines",
  async () => {
    await kubectl.ok(["delete", "mirrors,snapshots", "--all", "--timeout=200s"]);
    await kubectl.ok(["delete", "volumes", "--all", "--timeout=200s"]);
    expect(await kubectl.ok(["get", "mirrorreplicas,volumes,allocations", "-A", "-o", "name"])).toBe("");
  },
  LIMIT_MS,
);
