import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { KubeObject } from "../../machinery/object.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let one: FerriteServer;
let other: FerriteServer;
let left: Kubectl;
let right: Kubectl;

beforeAll(async () => {
  one = await FerriteServer.start();
  other = await FerriteServer.start(one.etcdEndpoint, one);
  left = new Kubectl(one.kubeconfig);
  right = new Kubectl(other.kubeconfig);
});

afterAll(async () => {
  await other.destroy();
  await one.destroy();
});

it("what one server stores, the other shows at once", async () => {
  await left.ok(["apply", "-f", "-"], WIDGET_CRD);
  // Definitions spread by watch; objects are read from the store itself.
  await expect.poll(async () => (await right.run(["get", "--raw", "/apis/example.com/v1"])).code).toBe(0);
  for (let n = 0; n < 10; n += 1) {
    const [writer, reader] = n % 2 === 0 ? [left, right] : [right, left];
    await writer.ok(["create", "-f", "-"], widget(`w-${n}`));
    const seen = await reader.json<KubeObject>(["get", "widget", `w-${n}`]);
    expect(seen).toEqual(await writer.json<KubeObject>(["get", "widget", `w-${n}`]));
    expect(await reader.ok(["get", "widgets", "-o", "name"])).toContain(`w-${n}`);
  }
});

it("either takes the users, tokens and certificates of the other, and both are found", async () => {
  const across = [`--server=https://${other.address}`];
  expect(await left.ok(["auth", "whoami", ...across])).toMatch(/Username +ferrite-admin/);
  const token = (await left.ok(["create", "token", "default"])).trim();
  const byToken = ["--token", token, "--kubeconfig=/dev/null", "--insecure-skip-tls-verify", ...across];
  expect(await left.ok(["auth", "whoami", ...byToken])).toMatch(/Username +system:serviceaccount:default:default/);
  const endpoints = () => right.run(["get", "ep", "kubernetes", "-o", "jsonpath={.subsets[*].ports[*].port}"]);
  const ports = [one, other].map(({ address }) => address.split(":")[1] ?? "").toSorted();
  await expect.poll(async () => (await endpoints()).stdout.split(" ").toSorted(), { timeout: 40_000 }).toEqual(ports);
});

it("a server with other keys is told so at once", async () => {
  const stranger = await FerriteServer.prepare(one.etcdEndpoint);
  await expect(stranger.launch()).rejects.toThrow("the server ended with 1");
  expect(stranger.log).toMatch(
    /error: the store belongs to a control plane with other keys \(ca\.crt of the store has SHA-256 [0-9a-f]{16}, ours [0-9a-f]{16}; service-account\.pub/,
  );
  expect(stranger.log).toContain(`service-account.key from one of its servers to ${stranger.dataDir}/pki`);
  const root = ["get", "cm", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"];
  const before = await left.ok(root);
  expect(before.trim()).toBe(readFileSync(join(one.dataDir, "pki", "ca.crt"), "utf8").trim());
  await stranger.destroy();
});

it("both count against one resourceVersion: of two writers one is refused", async () => {
  const stale = await left.ok(["get", "widget", "w-0", "-o", "yaml"]);
  await right.ok(["label", "widget", "w-0", "first=yes"]);
  expect(await left.fails(["replace", "-f", "-"], stale)).toContain("the object has been modified");
});

it("a definition deleted on one is gone on the other, and what it held with it", async () => {
  await right.ok(["delete", "crd", "widgets.example.com", "--timeout=30s"]);
  await expect.poll(async () => (await left.run(["get", "--raw", "/apis/example.com/v1"])).code).not.toBe(0);
  await left.ok(["apply", "-f", "-"], WIDGET_CRD);
  expect((await left.run(["get", "widgets"])).stderr).toContain("No resources found");
});
