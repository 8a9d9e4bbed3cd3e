import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findByArgument } from "../../apiserver/storage/etcd/process-table.ts";
import { Kubectl } from "./kubectl.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Not part of a fresh checkout; what the real one has started stays untouched. */
const OWN = new Set([".git", ".ferrite", "node_modules", "dist"]);

let checkout: string;
let port: number;

beforeAll(async () => {
  checkout = mkdtempSync(join(tmpdir(), "ferrite-up-"));
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => path === ROOT || !OWN.has(basename(path)) });
  symlinkSync(realpathSync(join(ROOT, "node_modules")), join(checkout, "node_modules"));
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as { port: number }).port;
  server.close();
});

afterAll(async () => {
  await hack("down");
  rmSync(checkout, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

async function hack(command: string, ...argv: readonly string[]): Promise<Ended> {
  const child = spawn(join(checkout, "hack", command), argv, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (text: Buffer) => (said += text.toString()));
  // Not "close": the server that it leaves behind would hold the pipes, were they its own.
  await once(child, "exit");
  return { code: child.exitCode, said };
}

const up = (): Promise<Ended> => hack("up", "--control-plane", "--port", String(port));
const inState = (...path: readonly string[]): string => join(checkout, ".ferrite", ...path);
const serverPids = (): number[] => findByArgument(inState("server"));
const kubectl = (): Kubectl => new Kubectl(inState("admin.kubeconfig"));

it("hack/up --control-plane starts one that kubectl works with at once, and says how", async () => {
  const { code, said } = await up();
  expect([code, said]).toEqual([0, expect.stringContaining(`export KUBECONFIG=${inState("admin.kubeconfig")}`)]);
  expect(said).toContain("kubectl get hosts");
  expect(serverPids()).toHaveLength(1);
  expect(await kubectl().ok(["cluster-info"])).toContain(`https://127.0.0.1:${port}`);
  expect((await kubectl().run(["get", "hosts"])).stderr).toContain("No resources found");
  const samples = join(checkout, "manifests/samples/1-hosts.yaml");
  expect(await kubectl().ok(["apply", "-f", samples])).toContain("host.ferrite.dev/alpha created\n");
  expect(await kubectl().ok(["explain", "volume.spec"])).toContain("GROUP:      ferrite.dev");
});

it("a second hack/up leaves it running; one after a crash goes on with what was there", async () => {
  const before = serverPids();
  const again = await up();
  expect([again.code, again.said]).toEqual([0, expect.stringContaining(`runs already (pid ${before[0]})`)]);
  expect(serverPids()).toEqual(before);
  process.kill(before[0] ?? 0, "SIGKILL");
  await expect.poll(serverPids).toEqual([]);
  expect((await up()).code).toBe(0);
  expect(await kubectl().ok(["get", "host", "alpha", "-o", "name"])).toBe("host.ferrite.dev/alpha\n");
});

it("an unknown option is named", async () => {
  expect(await hack("up", "--control-plan")).toEqual({
    code: 1,
    said: expect.stringContaining("error: unknown option --control-plan: see hack/up --help"),
  });
});

it("writes an audit.k8s.io/v1 Event a line for each write and each refusal, without what was in it", async () => {
  const secret = ["create", "secret", "generic", "audited", "--from-literal=password=hunter2"];
  await kubectl().ok(secret);
  expect((await kubectl().run(["delete", "secret", "audited", "--as", "bob"])).code).toBe(1);
  await kubectl().ok(["get", "secret", "audited"]);
  const log = () => readFileSync(inState("server", "audit.log"), "utf8");
  await expect.poll(log).toContain('"impersonatedUser"');
  expect(log()).not.toMatch(/hunter2|aHVudGVyMg/);
  const events = log()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { objectRef?: { name?: string }; verb: string });
  const common = {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    stage: "ResponseComplete",
    auditID: expect.stringMatching(/^[0-9a-f-]{36}$/),
    sourceIPs: ["127.0.0.1"],
    userAgent: expect.stringMatching(/^kubectl/),
    requestReceivedTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    stageTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    user: expect.objectContaining({ username: "ferrite-admin", groups: expect.arrayContaining(["system:masters"]) }),
  };
  const of = (verb: string) => events.filter((event) => event.verb === verb && event.objectRef?.name === "audited");
  expect(events.filter(({ verb }) => ["get", "list", "watch"].includes(verb))).toEqual([]);
  const [created] = events.filter(
    (event) => event.verb === "create" && JSON.stringify(event.objectRef).includes('"secrets"'),
  );
  expect(created).toEqual({
    ...common,
    verb: "create",
    requestURI: "/api/v1/namespaces/default/secrets?fieldManager=kubectl-create&fieldValidation=Strict",
    objectRef: { resource: "secrets", namespace: "default", name: "audited", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": expect.any(String) },
  });
  expect(of("delete")).toEqual([
    {
      ...common,
      verb: "delete",
      requestURI: "/api/v1/namespaces/default/secrets/audited",
      impersonatedUser: expect.objectContaining({ username: "bob" }),
      objectRef: { resource: "secrets", namespace: "default", name: "audited", apiVersion: "v1" },
      responseStatus: expect.objectContaining({ code: 403, reason: "Forbidden" }),
      annotations: expect.objectContaining({ "authorization.k8s.io/decision": "forbid" }),
    },
  ]);
});

it("hack/down leaves nothing running and nothing behind, also the second time", async () => {
  const down = await hack("down");
  expect([down.code, down.said]).toEqual([0, expect.stringContaining("nothing of Ferrite is left running")]);
  expect(serverPids()).toEqual([]);
  expect(findByArgument(`--data-dir=${inState("server", "etcd", "data")}`)).toEqual([]);
  expect(existsSync(inState("server"))).toBe(false);
  expect(existsSync(inState("admin.kubeconfig"))).toBe(false);
  expect((await hack("down")).code).toBe(0);
});
