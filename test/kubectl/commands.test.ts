import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

const specOf = async (name: string): Promise<unknown> =>
  (await kubectl.json<KubeObject>(["get", "widget", name]))["spec"];

describe("finding out", () => {
  it("version names the server", async () => {
    expect(await kubectl.ok(["version"])).toMatch(/Server Version: v1\.32\.0-ferrite\.\d+\.\d+\.\d+/);
  });

  it("api-resources and api-versions show built-in and custom kinds", async () => {
    const resources = cells(await kubectl.ok(["api-resources", "-o", "wide"]));
    const row = resources.find(([name]) => name === "widgets");
    expect(row).toEqual([
      "widgets",
      "wi",
      "example.com/v1",
      "true",
      "Widget",
      "create,delete,deletecollection,get,list,patch,update,watch",
      "all",
    ]);
    expect(resources.map(([name]) => name)).toEqual(
      expect.arrayContaining(["configmaps", "namespaces", "secrets", "leases"]),
    );
    expect((await kubectl.ok(["api-versions"])).split("\n")).toEqual(
      expect.arrayContaining(["v1", "example.com/v1", "apiextensions.k8s.io/v1", "rbac.authorization.k8s.io/v1"]),
    );
  });

  it("explain reads descriptions, types and what is required", async () => {
    const text = await kubectl.ok(["explain", "widgets.spec"]);
    expect(text).toContain("GROUP:      example.com");
    expect(text).toMatch(/size\t<integer> -required-\n\s+How big it is\./);
    expect(await kubectl.ok(["explain", "widgets", "--recursive"])).toMatch(/conditions\t<\[\]Object>/);
  });

  it("cluster-info, get --raw and health answer", async () => {
    expect(await kubectl.ok(["cluster-info"])).toContain(`https://${server.address}`);
    expect(await kubectl.ok(["get", "--raw", "/readyz?verbose"])).toMatch(/\[\+\]etcd ok\n[^]*readyz check passed/);
    expect(await kubectl.ok(["get", "--raw", "/livez"])).toBe("ok");
    expect(await kubectl.ok(["get", "--raw", "/metrics"])).toMatch(/apiserver_request_total\{verb="/);
  });
});

describe("making and reading", () => {
  it("create and get show the columns of the definition", async () => {
    expect(await kubectl.ok(["create", "-f", "-"], widget("w-get"))).toBe("widget.example.com/w-get created\n");
    const [head, row] = cells(await kubectl.ok(["get", "widget", "w-get"]));
    expect(head).toEqual(["NAME", "SIZE", "PHASE", "AGE"]);
    expect(row?.slice(0, 2)).toEqual(["w-get", "3"]);
    const wide = cells(await kubectl.ok(["get", "wi", "-o", "wide"]));
    expect(wide[0]).toEqual(["NAME", "SIZE", "PHASE", "COLOR", "AGE"]);
  });

  it("get prints names, JSON paths, custom columns and whole lists", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-forms", "size: 7, color: blue"));
    expect(await kubectl.ok(["get", "widget", "w-forms", "-o", "name"])).toBe("widget.example.com/w-forms\n");
    expect(await kubectl.ok(["get", "widget", "w-forms", "-o", "jsonpath={.spec.size}"])).toBe("7");
    const columns = await kubectl.ok([
      "get",
      "widget",
      "w-forms",
      "-o",
      "custom-columns=N:.metadata.name,C:.spec.color",
    ]);
    expect(columns).toMatch(/w-forms +blue/);
    const list = await kubectl.json<{ kind: string; items: KubeObject[] }>(["get", "widgets"]);
    expect(list.kind).toBe("List");
    expect(list.items.map(({ metadata }) => metadata.name)).toContain("w-forms");
  });

  it("get selects by label and field, sorts, and pages", async () => {
    await kubectl.ok(["create", "ns", "paging"]);
    for (const [name, size, color] of [
      ["a", 3, "red"],
      ["b", 1, "green"],
      ["c", 2, "green"],
    ]) {
      await kubectl.ok(
        ["create", "-n", "paging", "-f", "-"],
        widget(`p-${name}`, `size: ${size}, color: ${color}`, `labels: {color: ${color}}`),
      );
    }
    const names = async (...more: string[]) =>
      (await kubectl.ok(["get", "wi", "-n", "paging", "-o", "name", ...more]))
        .trim()
        .split("\n")
        .map((line) => line.slice(-1));
    expect(await names("-l", "color in (green)")).toEqual(["b", "c"]);
    expect(await names("-l", "color!=green")).toEqual(["a"]);
    expect(await names("--field-selector", "spec.color=green")).toEqual(["b", "c"]);
    expect(await names("--field-selector", "metadata.name=p-a")).toEqual(["a"]);
    expect(await names("--sort-by", ".spec.size")).toEqual(["b", "c", "a"]);
    expect(await names("--chunk-size", "1")).toEqual(["a", "b", "c"]);
    expect(await kubectl.fails(["get", "wi", "-n", "paging", "--field-selector", "spec.size=1"])).toContain(
      "field label not supported: spec.size",
    );
  });

  it("get all and get -A cover custom kinds and all namespaces", async () => {
    await kubectl.ok(["create", "ns", "elsewhere"]);
    await kubectl.ok(["create", "-n", "elsewhere", "-f", "-"], widget("w-far"));
    expect(await kubectl.ok(["get", "all", "-n", "elsewhere"])).toMatch(/widget\.example\.com\/w-far +3/);
    expect(await kubectl.ok(["get", "widgets", "-A"])).toMatch(/elsewhere +w-far +3/);
  });

  it("describe shows the object and its events", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-described"));
    const { metadata } = await kubectl.json<KubeObject>(["get", "widget", "w-described"]);
    await kubectl.ok(
      ["create", "-f", "-"],
      `
apiVersion: v1
kind: Event
metadata: {name: w-described.1, namespace: default}
involvedObject: {apiVersion: example.com/v1, kind: Widget, name: w-described, namespace: default, uid: ${metadata.uid}}
reason: Painted
message: painted it red
type: Normal
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:00Z"
count: 1
source: {component: painter}
`,
    );
    expect(await kubectl.ok(["describe", "widget", "w-described"])).toMatch(
      /Normal +Painted .*painter +painted it red/,
    );
    expect(await kubectl.ok(["events", "--for", "widget/w-described"])).toMatch(
      /Painted +Widget\/w-described +painted it red/,
    );
  });

  it("typed creates, which come as protobuf, are understood", async () => {
    expect(await kubectl.ok(["create", "ns", "typed"])).toBe("namespace/typed created\n");
    expect(await kubectl.ok(["create", "cm", "c", "-n", "typed", "--from-literal=a=b"])).toBe("configmap/c created\n");
    expect(await kubectl.ok(["create", "secret", "generic", "s", "-n", "typed", "--from-literal=p=q"])).toBe(
      "secret/s created\n",
    );
    expect(await kubectl.ok(["create", "sa", "robot", "-n", "typed"])).toBe("serviceaccount/robot created\n");
    expect(await kubectl.ok(["create", "role", "r", "-n", "typed", "--verb=get", "--resource=configmaps"])).toContain(
      "created",
    );
    expect(await kubectl.ok(["get", "secret", "s", "-n", "typed", "-o", "jsonpath={.data.p}"])).toBe("cQ==");
    expect(await kubectl.ok(["get", "cm", "c", "-n", "typed", "-o", "jsonpath={.data.a}"])).toBe("b");
  });
});

describe("changing", () => {
  it("apply creates, changes only what changed, and says so", async () => {
    const apply = (spec: string) => kubectl.ok(["apply", "-f", "-"], widget("w-apply", spec));
    expect(await apply("size: 1")).toBe("widget.example.com/w-apply created\n");
    const before = await kubectl.json<KubeObject>(["get", "widget", "w-apply"]);
    expect(await apply("size: 1")).toBe("widget.example.com/w-apply unchanged\n");
    expect(await kubectl.json<KubeObject>(["get", "widget", "w-apply"])).toEqual(before);
    expect(await apply("size: 2, color: green")).toBe("widget.example.com/w-apply configured\n");
    expect(await apply("size: 2")).toBe("widget.example.com/w-apply configured\n");
    const after = await kubectl.json<KubeObject>(["get", "widget", "w-apply"]);
    expect(after["spec"]).toEqual({ size: 2, color: "red" });
    expect(after.metadata.generation).toBe(3);
  });

  it("apply of a built-in kind merges strategically and removes what is no longer wanted", async () => {
    const cm = (data: string) => `\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c-apply}\ndata: {${data}}\n`;
    await kubectl.ok(["apply", "-f", "-"], cm("a: red, b: blue"));
    await kubectl.ok(["patch", "cm", "c-apply", "-p", '{"data":{"mine":"z"}}']);
    expect(await kubectl.ok(["apply", "-f", "-"], cm("a: red"))).toBe("configmap/c-apply configured\n");
    expect((await kubectl.json<KubeObject>(["get", "cm", "c-apply"]))["data"]).toEqual({ a: "red", mine: "z" });
  });

  it("apply --server-side owns fields, refuses what others own, and gives way to force", async () => {
    const apply = (spec: string, ...more: string[]) =>
      kubectl.run(["apply", "--server-side", "-f", "-", ...more], widget("w-ssa", spec));
    expect((await apply("size: 1, tags: [a, b]")).stdout).toBe("widget.example.com/w-ssa serverside-applied\n");
    const refused = await apply("size: 2", "--field-manager=other");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('Apply failed with 1 conflict: conflict with "kubectl": .spec.size');
    expect((await apply("size: 2", "--field-manager=other", "--force-conflicts")).code).toBe(0);
    const { metadata } = await kubectl.json<KubeObject>(["get", "widget", "w-ssa", "--show-managed-fields"]);
    expect(metadata.managedFields?.map(({ manager, operation }) => [manager, operation])).toContainEqual([
      "other",
      "Apply",
    ]);
    expect(await specOf("w-ssa")).toMatchObject({ size: 2, tags: ["a", "b"] });
  });

  it("diff shows what an apply would change, and changes nothing", async () => {
    await kubectl.ok(["apply", "-f", "-"], widget("w-diff", "size: 1"));
    for (const flags of [[], ["--server-side", "--force-conflicts"]]) {
      const { code, stdout } = await kubectl.run(["diff", "-f", "-", ...flags], widget("w-diff", "size: 9"));
      expect(code).toBe(1);
      expect(stdout).toMatch(/^-\s+size: 1$/m);
      expect(stdout).toMatch(/^\+\s+size: 9$/m);
    }
    expect(await specOf("w-diff")).toMatchObject({ size: 1 });
  });

  it("--dry-run=server validates and defaults but stores nothing", async () => {
    const made = await kubectl.ok(
      ["create", "--dry-run=server", "-o", "jsonpath={.spec.color}", "-f", "-"],
      widget("w-dry"),
    );
    expect(made).toBe("red");
    expect(await kubectl.fails(["get", "widget", "w-dry"])).toContain('widgets.example.com "w-dry" not found');
    await kubectl.ok(["create", "-f", "-"], widget("w-dry"));
    await kubectl.ok(["delete", "widget", "w-dry", "--dry-run=server"]);
    await kubectl.ok(["patch", "widget", "w-dry", "--type=merge", "--dry-run=server", "-p", '{"spec":{"size":9}}']);
    expect(await specOf("w-dry")).toMatchObject({ size: 3 });
  });

  it("patch takes merge and JSON patches, label and annotate change metadata only", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-patch"));
    await kubectl.ok(["patch", "widget", "w-patch", "--type=merge", "-p", '{"spec":{"size":4}}']);
    await kubectl.ok([
      "patch",
      "widget",
      "w-patch",
      "--type=json",
      "-p",
      '[{"op":"replace","path":"/spec/color","value":"blue"}]',
    ]);
    await kubectl.ok(["label", "widget", "w-patch", "tier=gold"]);
    await kubectl.ok(["annotate", "widget", "w-patch", "note=x"]);
    const { metadata, ...rest } = await kubectl.json<KubeObject>(["get", "widget", "w-patch"]);
    expect(rest["spec"]).toEqual({ size: 4, color: "blue" });
    expect(metadata).toMatchObject({ generation: 3, labels: { tier: "gold" }, annotations: { note: "x" } });
  });

  it("status changes by its subresource only, and leaves the generation", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-status"));
    await kubectl.ok(["patch", "widget", "w-status", "--type=merge", "-p", '{"status":{"phase":"Lost"}}']);
    expect((await kubectl.json<KubeObject>(["get", "widget", "w-status"]))["status"]).toBeUndefined();
    await kubectl.ok([
      "patch",
      "widget",
      "w-status",
      "--subresource=status",
      "--type=merge",
      "-p",
      '{"status":{"phase":"Fine"},"spec":{"size":9}}',
    ]);
    expect(await kubectl.json<KubeObject>(["get", "widget", "w-status"])).toMatchObject({
      metadata: { generation: 1 },
      spec: { size: 3 },
      status: { phase: "Fine" },
    });
    expect(await kubectl.ok(["get", "widget", "w-status", "--subresource=status"])).toMatch(/w-status +3 +Fine/);
  });

  it("scale reads and writes replicas, with preconditions", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-scale"));
    await kubectl.ok(["scale", "widget", "w-scale", "--replicas=3"]);
    await kubectl.ok(["scale", "widget", "w-scale", "--current-replicas=3", "--replicas=5"]);
    expect(await specOf("w-scale")).toMatchObject({ replicas: 5 });
    expect(await kubectl.fails(["scale", "widget", "w-scale", "--current-replicas=3", "--replicas=6"])).toContain(
      "Expected replicas to be 3, was 5",
    );
    expect(cells(await kubectl.ok(["get", "widget", "w-scale", "--subresource=scale"]))[1]?.slice(0, 3)).toEqual([
      "w-scale",
      "5",
      "0",
    ]);
  });

  it("replace puts, replace --force makes anew", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-replace"));
    const { metadata: first } = await kubectl.json<KubeObject>(["get", "widget", "w-replace"]);
    expect(await kubectl.ok(["replace", "-f", "-"], widget("w-replace", "size: 8"))).toContain("replaced");
    expect(await specOf("w-replace")).toMatchObject({ size: 8 });
    await kubectl.ok(["replace", "--force", "-f", "-"], widget("w-replace", "size: 9"));
    const { metadata: second } = await kubectl.json<KubeObject>(["get", "widget", "w-replace"]);
    expect(second.uid).not.toBe(first.uid);
  });

  it("apply --prune removes what is no longer in the set", async () => {
    const set = ["apply", "-f", "-", "--prune", "-l", "set=one", "--prune-allowlist=example.com/v1/Widget"];
    const one = widget("w-prune-1", "size: 1", "labels: {set: one}");
    await kubectl.ok(set, `${one}---${widget("w-prune-2", "size: 1", "labels: {set: one}")}`);
    expect(await kubectl.ok(set, one)).toContain("widget.example.com/w-prune-2 pruned");
  });
});

describe("removing", () => {
  it("delete waits for finalizers, and --wait=false does not", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-final", "size: 1", "finalizers: [example.com/hold]"));
    await kubectl.ok(["delete", "widget", "w-final", "--wait=false"]);
    const held = await kubectl.json<KubeObject>(["get", "widget", "w-final"]);
    expect(held.metadata).toMatchObject({ generation: 2, deletionGracePeriodSeconds: 0 });
    const waiting = kubectl.ok(["wait", "--for=delete", "widget/w-final", "--timeout=20s"]);
    await kubectl.ok(["patch", "widget", "w-final", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await waiting;
    expect(await kubectl.fails(["get", "widget", "w-final"])).toContain("not found");
  });

  it("delete by selector and --all removes each", async () => {
    await kubectl.ok(["create", "ns", "doomed"]);
    for (const name of ["d-1", "d-2", "d-3"]) {
      await kubectl.ok(["create", "-n", "doomed", "-f", "-"], widget(name, "size: 1", `labels: {pick: ${name}}`));
    }
    expect(await kubectl.ok(["delete", "wi", "-n", "doomed", "-l", "pick=d-1"])).toBe(
      'widget.example.com "d-1" deleted\n',
    );
    await kubectl.ok(["delete", "wi", "-n", "doomed", "--all"]);
    expect((await kubectl.run(["get", "wi", "-n", "doomed"])).stderr).toContain(
      "No resources found in doomed namespace.",
    );
  });

  it("deleting a definition deletes its objects and its paths", async () => {
    const crd = WIDGET_CRD.replaceAll("widgets", "gadgets")
      .replaceAll("widget", "gadget")
      .replaceAll("Widget", "Gadget")
      .replace("[wi]", "[ga]");
    await kubectl.ok(["apply", "-f", "-"], crd);
    await kubectl.ok(["create", "-f", "-"], widget("g").replace("Widget", "Gadget"));
    await kubectl.ok(["delete", "crd", "gadgets.example.com", "--timeout=20s"]);
    expect(await kubectl.fails(["get", "gadgets"])).toContain("the server could not find the requested resource");
    await kubectl.ok(["apply", "-f", "-"], crd);
    expect((await kubectl.run(["get", "gadgets"])).stderr).toContain("No resources found");
  });
});
