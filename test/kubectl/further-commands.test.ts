import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Status } from "../../apiserver/status.ts";
import { ApiClient } from "../../hack/bench/api-client.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { cells, Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
  await kubectl.ok(["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s"]);
});

afterAll(() => server.destroy());

const resourceVersionOf = (name: string) =>
  kubectl.ok(["get", "widget", name, "-o", "jsonpath={.metadata.resourceVersion}"]);

describe("watching without the beginning", () => {
  it("get --watch-only prints what changes, and nothing that was there", async () => {
    await kubectl.ok(["create", "ns", "only"]);
    await kubectl.ok(["create", "-n", "only", "-f", "-"], widget("there"));
    // One after the other: the first ones may come before the watch is open.
    const enough = new AbortController();
    const writing = (async () => {
      for (let n = 0; !enough.signal.aborted; n += 1)
        await kubectl.ok(["create", "-n", "only", "-f", "-"], widget(`new-${n}`));
    })();
    const lines = await kubectl.watch(
      ["get", "widgets", "-n", "only", "--watch-only", "--output-watch-events"],
      (seen) => seen.length >= 3,
    );
    enough.abort();
    await writing;
    expect(lines[0]).toMatch(/^EVENT +NAME +SIZE +PHASE +AGE/);
    const rows = lines.slice(1).map((line) => line.split(/ +/).slice(0, 3));
    const first = Number(rows[0]?.[1]?.slice("new-".length));
    expect(rows).toEqual(rows.map((_, index) => ["ADDED", `new-${first + index}`, "3"]));
  });

  it("events --watch prints the events that come, of the namespace", async () => {
    const event = (name: string, message: string) => `
apiVersion: v1
kind: Event
metadata: {name: ${name}, namespace: default}
involvedObject: {apiVersion: example.com/v1, kind: Widget, name: w-events, namespace: default}
reason: Painted
message: ${message}
type: Normal
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:00Z"
count: 1
source: {component: painter}
`;
    await kubectl.ok(["create", "-f", "-"], event("e-1", "painted it red"));
    let sent = false;
    const lines = await kubectl.watch(["events", "--watch"], (seen) => {
      if (!sent && seen.some((line) => line.includes("painted it red"))) {
        sent = true;
        void kubectl.ok(["create", "-f", "-"], event("e-2", "painted it blue"));
      }
      return seen.some((line) => line.includes("painted it blue"));
    });
    expect(lines[0]).toMatch(/^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE/);
    expect(lines.filter((line) => line.includes("painted")).map((line) => line.split(/ {2,}/).slice(1))).toEqual([
      ["Normal", "Painted", "Widget/w-events", "painted it red"],
      ["Normal", "Painted", "Widget/w-events", "painted it blue"],
    ]);
  });
});

describe("wait of clients that list by a watch (WatchList)", () => {
  const streaming = () => new Kubectl(server.kubeconfig, { KUBE_FEATURE_WatchListClient: "true" });

  it("sees what is there, what comes and what goes, without a list", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-stream"));
    const wait = (what: string) =>
      streaming().run(["wait", `--for=${what}`, "widget/w-stream", "--timeout=30s", "-v=6"]);
    const now = await wait("jsonpath={.spec.size}=3");
    expect([now.code, now.stdout]).toEqual([0, "widget.example.com/w-stream condition met\n"]);
    const later = wait("jsonpath={.status.phase}=Done");
    const status = '{"status":{"phase":"Done"}}';
    await kubectl.ok(["patch", "widget", "w-stream", "--subresource=status", "--type=merge", "-p", status]);
    const gone = wait("delete");
    expect((await later).stdout).toBe("widget.example.com/w-stream condition met\n");
    await kubectl.ok(["delete", "widget", "w-stream"]);
    for (const { code, stderr } of [now, await later, await gone]) {
      expect(code).toBe(0);
      expect(stderr).not.toContain("limit=500");
    }
    // Older clients have no such feature; they list.
    if (now.stderr.includes("WatchListClient")) expect(now.stderr).toMatch(/sendInitialEvents=true.* 200 OK/);
  });
});

describe("at once, or under a condition", () => {
  it.each([
    ["--now", "deleted"],
    ["--force", "force deleted"],
    ["--grace-period=1", "deleted"],
  ])("delete %s deletes", async (flag, word) => {
    const name = `w${flag.replace("=", "")}`;
    await kubectl.ok(["create", "-f", "-"], widget(name));
    expect(await kubectl.ok(["delete", "widget", name, flag])).toBe(`widget.example.com "${name}" ${word}\n`);
    expect(await kubectl.fails(["get", "widget", name])).toContain("not found");
  });

  it("delete --dry-run=server says so, and deletes nothing", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-kept"));
    expect(await kubectl.ok(["delete", "widget", "w-kept", "--dry-run=server"])).toBe(
      'widget.example.com "w-kept" deleted (server dry run)\n',
    );
    expect(await kubectl.ok(["get", "widget", "w-kept", "-o", "name"])).toBe("widget.example.com/w-kept\n");
  });

  it("scale, label and annotate --resource-version change the version that they name, and no other", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-version"));
    const [stale, fresh] = ["1", await resourceVersionOf("w-version")];
    const scale = (version: string) => [
      "scale",
      "widget",
      "w-version",
      "--replicas=2",
      `--resource-version=${version}`,
    ];
    expect(await kubectl.fails(scale(stale))).toBe(`error: Expected resource version to be 1, was ${fresh}`);
    expect(await kubectl.ok(scale(fresh))).toBe("widget.example.com/w-version scaled\n");
    expect(await kubectl.fails(["annotate", "widget", "w-version", "a=b", `--resource-version=${fresh}`])).toBe(
      'Error from server (Conflict): Operation cannot be fulfilled on widgets.example.com "w-version": the object has been modified; please apply your changes to the latest version and try again',
    );
    const now = await resourceVersionOf("w-version");
    expect(await kubectl.ok(["annotate", "widget", "w-version", "a=b", `--resource-version=${now}`])).toBe(
      "widget.example.com/w-version annotated\n",
    );
    expect(await kubectl.json<KubeObject>(["get", "widget", "w-version"])).toMatchObject({
      metadata: { annotations: { a: "b" }, generation: 2 },
      spec: { replicas: 2 },
    });
  });

  it("get --chunk-size below nothing asks for all in one page", async () => {
    const rows = cells(await kubectl.ok(["get", "crds", "--chunk-size=-1", "--no-headers"]));
    expect(rows.length).toBe(cells(await kubectl.ok(["get", "crds", "--chunk-size=2", "--no-headers"])).length);
  });
});

describe("a namespace that is going", () => {
  it("takes nothing new, says why, and keeps what its finalizers hold until they are gone", async () => {
    await kubectl.ok(["create", "ns", "going"]);
    await kubectl.ok(["create", "-n", "going", "-f", "-"], widget("held", "size: 1", "finalizers: [example.com/hold]"));
    expect(await kubectl.ok(["delete", "ns", "going", "--wait=false"])).toBe('namespace "going" deleted\n');
    expect(cells(await kubectl.ok(["get", "ns", "going"]))[1]?.slice(0, 2)).toEqual(["going", "Terminating"]);
    const why = "unable to create new content in namespace going because it is being terminated";
    expect(await kubectl.fails(["create", "-n", "going", "-f", "-"], widget("late"))).toBe(
      `Error from server (Forbidden): error when creating "STDIN": widgets.example.com "late" is forbidden: ${why}`,
    );
    expect(await kubectl.fails(["create", "cm", "late", "-n", "going"])).toBe(
      `error: failed to create configmap: configmaps "late" is forbidden: ${why}`,
    );
    expect(await refusal("/apis/example.com/v1/namespaces/going/widgets")).toMatchObject({
      code: 403,
      reason: "Forbidden",
      details: {
        name: "late",
        group: "example.com",
        kind: "widgets",
        causes: [
          {
            reason: "NamespaceTerminating",
            message: "namespace going is being terminated",
            field: "metadata.namespace",
          },
        ],
      },
    });
    await expect
      .poll(async () => kubectl.ok(["get", "ns", "going", "-o", "jsonpath={.status.conditions[*].message}"]))
      .toContain("Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances");
    await kubectl.ok([
      "patch",
      "widget",
      "held",
      "-n",
      "going",
      "--type=merge",
      "-p",
      '{"metadata":{"finalizers":null}}',
    ]);
    await kubectl.ok(["wait", "--for=delete", "ns/going", "--timeout=30s"]);
  });

  async function refusal(path: string): Promise<Status> {
    const client = new ApiClient(server.kubeconfig);
    const body = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "late" }, spec: { size: 1 } };
    const { text } = await client.ask("POST", path, JSON.stringify(body)).finally(() => client.close());
    return JSON.parse(text) as Status;
  }
});

describe("the kubeconfig that the server writes", () => {
  it("has one cluster, one user and one context, which is the current one, and no secret in what is shown", async () => {
    expect(await kubectl.ok(["config", "current-context"])).toBe("ferrite-admin@ferrite\n");
    expect(cells(await kubectl.ok(["config", "get-contexts"]))).toEqual([
      ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"],
      ["*", "ferrite-admin@ferrite", "ferrite", "ferrite-admin"],
    ]);
    const shown = await kubectl.ok(["config", "view", "--minify"]);
    expect(shown).toContain(`server: https://${server.address}\n`);
    expect(shown).toMatch(/client-key-data: DATA\+OMITTED/);
  });
});
