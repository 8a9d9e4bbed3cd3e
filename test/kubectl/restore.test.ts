import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { silentLogger } from "../../machinery/log.ts";
import { systemClock } from "../../machinery/clock.ts";
import { systemRandom } from "../../machinery/random.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { ApiObject } from "../../client/api-object.ts";
import { httpsTransport } from "../../client/https-transport.ts";
import { loadKubeconfigFile } from "../../client/kubeconfig/file.ts";
import { Reflector } from "../../client/reflector.ts";
import { RestClient } from "../../client/rest.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let scratch: string;
let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "ferrite-restore-"));
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
  await kubectl.ok(["create", "-f", "-"], widget("kept"));
});

afterAll(async () => {
  await server.destroy();
  rmSync(scratch, { recursive: true });
});

const backup = () => join(scratch, "backup");
const get = (name: string) => kubectl.json<KubeObject>(["get", "widget", name]);

it("backs up a running server, for its owner's eyes alone", async () => {
  const { code, stdout, stderr } = await FerriteServer.command("backup", backup(), "--data-dir", server.dataDir);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`saved to ${backup()}: snapshot.db and the keys; keep it as safe as the server itself\n`);
  expect(statSync(backup()).mode & 0o777).toBe(0o700);
  for (const name of ["snapshot.db", "ca.key", "ca.crt", "service-account.key"])
    expect(statSync(join(backup(), name)).mode & 0o777, name).toBe(0o600);
  // Once more over the same: the newer state.
  await kubectl.ok(["label", "widget", "kept", "saved=yes"]);
  expect((await FerriteServer.command("backup", backup(), "--data-dir", server.dataDir)).code).toBe(0);
});

it("restores nothing over data, nor under a running server, nor from garbage", async () => {
  const restore = (path: string, dataDir: string, ...more: string[]) =>
    FerriteServer.command("restore", path, "--data-dir", dataDir, ...more);
  expect(await restore(backup(), server.dataDir)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`another server runs etcd in ${server.dataDir}/etcd`),
  });
  const empty = join(scratch, "empty");
  const garbage = join(scratch, "garbage.db");
  writeFileSync(garbage, Buffer.alloc(100_000, "x"));
  expect(await restore(garbage, empty)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("etcdutl could not restore"),
  });
  const cut = join(scratch, "cut.db");
  writeFileSync(cut, readFileSync(join(backup(), "snapshot.db")).subarray(0, -4096));
  expect((await restore(cut, empty)).code).toBe(1);
  expect(await restore(backup(), empty, "--etcdutl", "/nowhere/etcdutl")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("cannot run /nowhere/etcdutl: it comes with etcd 3.5"),
  });
  expect((await restore(join(scratch, "absent"), empty)).stderr).toContain("ENOENT");
  // All of that has left nothing behind that stands in the way; the second time there is data.
  expect(await restore(backup(), empty)).toMatchObject({ code: 0 });
  expect(await restore(backup(), empty)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is there: nothing is restored over data"),
  });
  // Other keys stay: they are somebody's.
  const other = join(scratch, "other");
  mkdirSync(join(other, "pki"), { recursive: true });
  writeFileSync(join(other, "pki", "ca.key"), "another");
  expect(await restore(backup(), other)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is another one than"),
  });
});

it("brings back what was saved, under revisions that nobody has seen, and watches list anew", async () => {
  const saved = await get("kept");
  const reflector = await follow();
  await kubectl.ok(["create", "-f", "-"], widget("lost"));
  await kubectl.ok(["label", "widget", "kept", "saved=no", "--overwrite"]);
  await expect.poll(() => reflector.names()).toEqual(["kept", "lost"]);
  const newest = Number((await get("kept")).metadata.resourceVersion);
  await server.stop();
  renameSync(join(server.dataDir, "etcd", "data"), join(server.dataDir, "etcd", "data.old"));
  const { code, stdout } = await FerriteServer.command("restore", backup(), "--data-dir", server.dataDir);
  expect([code, stdout]).toEqual([0, expect.stringContaining(", with its keys; start the server")]);
  await server.launch();
  const restored = await get("kept");
  // The same object as ever; its revision is that of its write, and what comes next is above all that clients know.
  expect(restored).toEqual(saved);
  await kubectl.ok(["label", "widget", "kept", "after=yes"]);
  expect(Number((await get("kept")).metadata.resourceVersion)).toBeGreaterThan(newest + 100_000_000);
  expect(await kubectl.fails(["get", "widget", "lost"])).toContain("not found");
  await expect.poll(() => reflector.names(), { timeout: 20_000 }).toEqual(["kept"]);
  await expect.poll(() => reflector.labels("kept"), { timeout: 20_000 }).toMatchObject({ saved: "yes", after: "yes" });
  await reflector.stop();
  expect(await kubectl.ok(["create", "-f", "-"], widget("new"))).toBe("widget.example.com/new created\n");
});

it("makes a server on another machine from the backup alone: the same authority, the same users", async () => {
  const fresh = await FerriteServer.start();
  await fresh.stop();
  rmSync(fresh.dataDir, { recursive: true });
  expect((await FerriteServer.command("restore", backup(), "--data-dir", fresh.dataDir)).code).toBe(0);
  await fresh.launch();
  expect(readFileSync(join(fresh.dataDir, "pki", "ca.crt"), "utf8")).toBe(
    readFileSync(join(server.dataDir, "pki", "ca.crt"), "utf8"),
  );
  const there = new Kubectl(server.kubeconfig);
  expect(await there.ok(["get", "widgets", "-o", "name", `--server=https://${fresh.address}`])).toBe(
    "widget.example.com/kept\n",
  );
  await fresh.destroy();
});

async function follow() {
  const { transport, close } = httpsTransport(await loadKubeconfigFile(server.kubeconfig));
  const stop = new AbortController();
  const reflector = new Reflector<ApiObject>({
    client: new RestClient({ transport, clock: systemClock }),
    type: { group: "example.com", version: "v1", kind: "Widget", plural: "widgets", namespaced: true },
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  const running = reflector.run(stop.signal);
  await reflector.whenListed();
  const find = (name: string) => reflector.cache.list().find(({ metadata }) => metadata.name === name);
  return {
    names: () =>
      reflector.cache
        .list()
        .map(({ metadata }) => metadata.name ?? "")
        .toSorted(),
    labels: (name: string) => find(name)?.metadata.labels,
    async stop() {
      stop.abort();
      await running;
      close();
    },
  };
}
