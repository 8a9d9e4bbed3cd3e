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
  await kubectl.ok(["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s"]);
});

afterAll(() => server.destroy());

const specOf = async (name: string): Promise<unknown> =>
  (await kubectl.json<KubeObject>(["get", "widget", name]))["spec"];

const managersOf = async (name: string): Promise<unknown> => {
  const { metadata } = await kubectl.json<KubeObject>(["get", "widget", name, "--show-managed-fields"]);
  return metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`).toSorted();
};

describe("apply --validate", () => {
  const bogus = (name: string) => widget(name, "size: 4, bogus: 1");
  const UNKNOWN = 'unknown field "spec.bogus"';

  it.each([
    ["strict", 1, "", `strict decoding error: ${UNKNOWN}`],
    ["true", 1, "", `strict decoding error: ${UNKNOWN}`],
    ["warn", 0, "widget.example.com/v-warn configured\n", `Warning: ${UNKNOWN}\n`],
    ["ignore", 0, "widget.example.com/v-ignore configured\n", ""],
    ["false", 0, "widget.example.com/v-false configured\n", ""],
  ])("=%s of a field that there is not, on what is there", async (mode, code, stdout, stderr) => {
    const name = `v-${mode}`;
    await kubectl.ok(["apply", "-f", "-"], widget(name));
    const result = await kubectl.run(["apply", `--validate=${mode}`, "-f", "-"], bogus(name));
    expect([result.code, result.stdout]).toEqual([code, stdout]);
    if (code === 0) expect(result.stderr).toBe(stderr);
    else expect(result.stderr).toContain(stderr);
    expect(await specOf(name)).toEqual({ size: code === 0 ? 4 : 3, color: "red" });
  });

  it("of a new object, on both sides of the wire", async () => {
    const refused = await kubectl.fails(["apply", "--server-side", "-f", "-"], bogus("v-new"));
    expect(refused).toContain(UNKNOWN);
    expect((await kubectl.run(["apply", "--validate=warn", "-f", "-"], bogus("v-new"))).stderr).toContain(
      `Warning: ${UNKNOWN}`,
    );
    expect(await specOf("v-new")).toEqual({ size: 4, color: "red" });
  });
});

describe("apply --dry-run=server", () => {
  it("says what it would do, shows the outcome with defaults, and stores nothing", async () => {
    const apply = (spec: string, ...more: string[]) =>
      kubectl.ok(["apply", "--dry-run=server", "-f", "-", ...more], widget("w-dry", spec));
    expect(await apply("size: 1")).toBe("widget.example.com/w-dry created (server dry run)\n");
    expect(await kubectl.fails(["get", "widget", "w-dry"])).toContain("not found");
    await kubectl.ok(["apply", "-f", "-"], widget("w-dry", "size: 1"));
    const before = await kubectl.json<KubeObject>(["get", "widget", "w-dry"]);
    expect(await apply("size: 1")).toBe("widget.example.com/w-dry unchanged (server dry run)\n");
    expect(await apply("size: 2")).toBe("widget.example.com/w-dry configured (server dry run)\n");
    expect(await apply("size: 2", "-o", "jsonpath={.spec}{.metadata.generation}")).toBe('{"color":"red","size":2}2');
    expect(await apply("size: 2", "--server-side", "--force-conflicts")).toBe(
      "widget.example.com/w-dry serverside-applied (server dry run)\n",
    );
    expect(await kubectl.json<KubeObject>(["get", "widget", "w-dry"])).toEqual(before);
    expect(await kubectl.fails(["apply", "--dry-run=server", "-f", "-"], widget("w-dry", "size: 1000"))).toContain(
      'The Widget "w-dry" is invalid: spec.size: Invalid value: 1000',
    );
  });
});

describe("from client-side to server-side apply", () => {
  it("fields change hands without a conflict, and those that are no longer wanted go", async () => {
    await kubectl.ok(["apply", "-f", "-"], widget("w-moves", "size: 1, tags: [a]"));
    expect(await managersOf("w-moves")).toEqual(["kubectl-client-side-apply Update"]);
    expect(await kubectl.ok(["apply", "--server-side", "-f", "-"], widget("w-moves", "size: 2"))).toBe(
      "widget.example.com/w-moves serverside-applied\n",
    );
    expect(await managersOf("w-moves")).toEqual(["kubectl Apply", "kubectl-last-applied Apply"]);
    expect(await specOf("w-moves")).toEqual({ size: 2, color: "red" });
    expect(await kubectl.ok(["apply", "view-last-applied", "widget", "w-moves"])).toMatch(/spec:\n {2}size: 2\n/);
  });

  it("a built-in kind too, and back again", async () => {
    const cm = (data: string) => `\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c-moves}\ndata: {${data}}\n`;
    const data = async () => (await kubectl.json<KubeObject>(["get", "cm", "c-moves"]))["data"];
    await kubectl.ok(["apply", "-f", "-"], cm("a: red, b: blue"));
    await kubectl.ok(["apply", "--server-side", "-f", "-"], cm("a: green"));
    expect(await data()).toEqual({ a: "green" });
    expect(await kubectl.ok(["apply", "-f", "-"], cm("c: white"))).toBe("configmap/c-moves configured\n");
    expect(await data()).toEqual({ c: "white" });
  });
});

describe("a v1 List, which kubectl itself validates by OpenAPI v2", () => {
  const list = (...items: readonly string[]) =>
    `apiVersion: v1\nkind: List\nitems:\n${items.map((item) => `- ${item.trim().replaceAll("\n", "\n  ")}`).join("\n")}\n`;
  const cm = (name: string, more = "") =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: b}\n${more}`;

  it("is created, applied, diffed and deleted, item by item", async () => {
    const both = list(cm("l-cm"), widget("l-w"));
    expect(await kubectl.ok(["create", "--validate=strict", "-f", "-"], both)).toBe(
      "configmap/l-cm created\nwidget.example.com/l-w created\n",
    );
    await kubectl.ok(["delete", "-f", "-"], both);
    expect(await kubectl.ok(["apply", "-f", "-"], both)).toBe(
      "configmap/l-cm created\nwidget.example.com/l-w created\n",
    );
    expect(await kubectl.ok(["apply", "-f", "-"], both)).toBe(
      "configmap/l-cm unchanged\nwidget.example.com/l-w unchanged\n",
    );
    expect(await kubectl.ok(["apply", "--server-side", "-f", "-"], both)).toBe(
      "configmap/l-cm serverside-applied\nwidget.example.com/l-w serverside-applied\n",
    );
    expect((await kubectl.run(["diff", "-f", "-"], both)).code).toBe(0);
  });

  it("takes back what get printed, of every kind that there is", async () => {
    await kubectl.ok(["create", "ns", "copied"]);
    await kubectl.ok(["create", "-n", "copied", "-f", "-"], widget("w-copied", "size: 9, tags: [x]"));
    const kinds = (await kubectl.ok(["api-resources", "--verbs=list,create", "-o", "name"])).trim().split("\n");
    expect(kinds.length).toBeGreaterThan(20);
    // Leases are written all the time: what was printed is stale at once. The API keeps its own Service.
    const stale = ["leases.coordination.k8s.io", "services", "endpoints", "endpointslices.discovery.k8s.io"];
    const copied = kinds.filter((kind) => !stale.includes(kind)).join(",");
    const printed = await kubectl.ok(["get", copied, "-A", "-o", "yaml"]);
    expect(printed).toContain("kind: CustomResourceDefinition");
    const applied = await kubectl.run(["apply", "--dry-run=server", "-f", "-"], printed);
    expect([applied.code, applied.stderr.replaceAll(/^Warning: .*\n/gm, "")]).toEqual([0, ""]);
    expect(applied.stdout).toContain("widget.example.com/w-copied configured (server dry run)\n");
  });

  it.each([
    ["dada: {}", 'unknown field "dada" in io.k8s.api.core.v1.ConfigMap'],
    ["immutable: perhaps", 'invalid type for io.k8s.api.core.v1.ConfigMap.immutable: got "string", expected "boolean"'],
  ])("with an item that has %s is refused as a whole, with the words of any cluster", async (wrong, text) => {
    const refused = await kubectl.fails(["apply", "-f", "-"], list(cm("l-good"), cm("l-bad", wrong)));
    expect(refused).toContain(`error validating data: ValidationError(ConfigMap`);
    expect(refused).toContain(text);
    expect(await kubectl.fails(["get", "cm", "l-good"])).toContain("not found");
  });

  it("of custom resources too: a field that is missing is found before anything is sent", async () => {
    const refused = await kubectl.fails(["apply", "-f", "-"], list(widget("l-w2", "color: red")));
    expect(refused).toContain('missing required field "size" in com.example.v1.Widget.spec');
  });

  it("the document says the same as JSON", async () => {
    const { definitions, paths, swagger } = JSON.parse(await kubectl.ok(["get", "--raw", "/openapi/v2"])) as {
      swagger: string;
      paths: Record<string, Record<string, object>>;
      definitions: Record<string, { properties: Record<string, { type: string; required: string[] }> }>;
    };
    expect(swagger).toBe("2.0");
    expect(definitions["com.example.v1.Widget"]?.properties["spec"]).toMatchObject({
      type: "object",
      required: ["size"],
    });
    expect(Object.keys(paths["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"] ?? {})).toEqual(
      expect.arrayContaining(["get", "put", "patch", "delete", "parameters"]),
    );
  });
});
