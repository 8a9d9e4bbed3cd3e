import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../../machinery/object.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(() => server.destroy());

const status = (name: string, patch: object) =>
  kubectl.ok([
    "patch",
    "widget",
    name,
    "--subresource=status",
    "--type=merge",
    "-p",
    JSON.stringify({ status: patch }),
  ]);

describe("watching", () => {
  it("get -w prints each change in columns", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-watch"));
    let changed = false;
    const lines = await kubectl.watch(["get", "widget", "w-watch", "-w", "--output-watch-events"], (seen) => {
      if (!changed && seen.length >= 2) {
        changed = true;
        void status("w-watch", { phase: "Fine" }).then(() => kubectl.ok(["delete", "widget", "w-watch"]));
      }
      return seen.some((line) => line.startsWith("DELETED"));
    });
    expect(lines[0]).toMatch(/^EVENT +NAME +SIZE +PHASE +AGE/);
    expect(lines.slice(1).map((line) => line.split(/ +/)[0])).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    expect(lines[2]).toMatch(/w-watch +3 +Fine/);
  });

  it("an object that no longer meets the selector leaves the watch", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-sel", "size: 1, color: green"));
    let moved = false;
    const lines = await kubectl.watch(
      ["get", "widgets", "-w", "--field-selector=spec.color=green", "--output-watch-events", "--no-headers"],
      (seen) => {
        if (!moved && seen.length >= 1) {
          moved = true;
          void kubectl.ok(["patch", "widget", "w-sel", "--type=merge", "-p", '{"spec":{"color":"red"}}']);
        }
        return seen.some((line) => line.startsWith("DELETED"));
      },
    );
    expect(lines.at(-1)).toMatch(/^DELETED +w-sel/);
  });

  it("wait sees conditions, fields and deletion, also when they come later", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-wait"));
    const waits = [
      kubectl.ok(["wait", "--for=condition=Ready", "widget/w-wait", "--timeout=30s"]),
      kubectl.ok(["wait", "--for=jsonpath={.status.phase}=Done", "widget/w-wait", "--timeout=30s"]),
    ];
    await status("w-wait", { conditions: [{ type: "Ready", status: "True" }], phase: "Done" });
    expect(await Promise.all(waits)).toEqual(Array(2).fill("widget.example.com/w-wait condition met\n"));
    const gone = kubectl.ok(["wait", "--for=delete", "widget/w-wait", "--timeout=30s"]);
    await kubectl.ok(["delete", "widget", "w-wait"]);
    await gone;
  });

  it("wait gives up in time", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-never"));
    expect(await kubectl.fails(["wait", "--for=condition=Ready", "widget/w-never", "--timeout=1s"])).toContain(
      "timed out waiting for the condition on widgets/w-never",
    );
  });

  it("a streaming list (WatchList) ends its first part with a bookmark", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-list"));
    const query =
      "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    const text = await kubectl.ok(["get", "--raw", `/apis/example.com/v1/namespaces/default/widgets?${query}`]);
    const events = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; object: KubeObject });
    const end = events.findIndex(({ type }) => type === "BOOKMARK");
    expect(events.slice(0, end).map(({ object }) => object.metadata.name)).toContain("w-list");
    expect(events[end]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  });
});

describe("namespaces and owners", () => {
  it("deleting a namespace deletes all that is in it", async () => {
    await kubectl.ok(["create", "ns", "short-lived"]);
    await kubectl.ok(["create", "-n", "short-lived", "-f", "-"], widget("w"));
    await kubectl.ok(["create", "cm", "c", "-n", "short-lived", "--from-literal=a=b"]);
    await kubectl.ok(["delete", "ns", "short-lived", "--timeout=30s"]);
    expect(await kubectl.fails(["get", "ns", "short-lived"])).toContain("not found");
    await kubectl.ok(["create", "ns", "short-lived"]);
    expect(
      (
        await kubectl.run([
          "get",
          "widgets,cm",
          "-n",
          "short-lived",
          "--field-selector=metadata.name!=kube-root-ca.crt",
        ])
      ).stdout,
    ).toBe("");
  });

  it("every namespace has its ServiceAccount and the CA", async () => {
    await kubectl.ok(["create", "ns", "furnished"]);
    await expect
      .poll(async () => (await kubectl.run(["get", "sa/default", "cm/kube-root-ca.crt", "-n", "furnished"])).code, {
        timeout: 10_000,
      })
      .toBe(0);
  });

  it.each([
    ["background", "not found"],
    ["foreground", "not found"],
    ["orphan", "kept"],
  ])("dependents go with their owner, or stay (--cascade=%s)", async (cascade, fate) => {
    await kubectl.ok(["create", "-f", "-"], widget(`owner-${cascade}`));
    const { uid } = (await kubectl.json<KubeObject>(["get", "widget", `owner-${cascade}`])).metadata;
    const reference = `ownerReferences: [{apiVersion: example.com/v1, kind: Widget, name: owner-${cascade}, uid: ${uid}, blockOwnerDeletion: true}]`;
    await kubectl.ok(["create", "-f", "-"], widget(`child-${cascade}`, "size: 1", reference));
    await kubectl.ok(["delete", "widget", `owner-${cascade}`, `--cascade=${cascade}`, "--timeout=30s"]);
    const child = () =>
      kubectl.run(["get", "widget", `child-${cascade}`, "-o", "jsonpath={.metadata.ownerReferences}|{.metadata.name}"]);
    if (fate === "not found") {
      await expect.poll(async () => (await child()).stderr, { timeout: 20_000 }).toContain(fate);
    } else {
      expect((await child()).stdout).toBe(`|child-${cascade}`);
    }
  });
});
