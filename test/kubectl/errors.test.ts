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

/** kubectl's own validation off, so that the server is asked. */
const create = (manifest: string, ...more: string[]) =>
  kubectl.fails(["create", "--validate=ignore", "-f", "-", ...more], manifest);

describe("what users are told", () => {
  it.each([
    [
      "a wrong type",
      "size: big",
      'The Widget "w" is invalid: spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
    ],
    ["a missing field", "color: red", 'The Widget "w" is invalid: spec.size: Required value'],
    [
      "a value below the minimum",
      "size: 0",
      'The Widget "w" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
    ],
    [
      "a value that is not offered",
      "size: 1, color: pink",
      'The Widget "w" is invalid: spec.color: Unsupported value: "pink": supported values: "red", "green", "blue"',
    ],
    ["a duplicate in a set", "size: 1, tags: [a, a]", 'The Widget "w" is invalid: spec.tags[1]: Duplicate value: "a"'],
  ])("%s", async (_, spec, message) => {
    expect(await create(widget("w", spec))).toBe(message);
  });

  it("two wrong fields are both named", async () => {
    const text = await create(widget("w", "size: 0, color: pink"));
    expect(text).toContain("* spec.color: Unsupported value");
    expect(text).toContain("* spec.size: Invalid value: 0");
  });

  it("a bad name", async () => {
    expect(await create(widget("Bad_Name"))).toContain(
      'The Widget "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of',
    );
  });

  it("an unknown field: refused when strict, warned of, or dropped", async () => {
    const bogus = widget("w-bogus", "size: 1, bogus: 2");
    const strict = await kubectl.fails(["create", "--validate=strict", "-f", "-"], bogus);
    expect(strict).toContain(
      'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.bogus"',
    );
    const warned = await kubectl.run(["create", "--validate=warn", "-f", "-"], bogus);
    expect(warned.stderr).toContain('Warning: unknown field "spec.bogus"');
    expect(warned.stdout).toContain("created");
    expect((await kubectl.json<KubeObject>(["get", "widget", "w-bogus"]))["spec"]).toEqual({ size: 1, color: "red" });
  });

  it("an absent object, namespace, kind and path", async () => {
    expect(await kubectl.fails(["get", "widget", "nobody"])).toBe(
      'Error from server (NotFound): widgets.example.com "nobody" not found',
    );
    expect(await create(widget("w"), "-n", "nowhere")).toContain('namespaces "nowhere" not found');
    expect(await kubectl.fails(["get", "unicorns"])).toBe('error: the server doesn\'t have a resource type "unicorns"');
    expect(await kubectl.fails(["get", "--raw", "/nothing/here"])).toBe(
      "Error from server (NotFound): the server could not find the requested resource",
    );
  });

  it("an object that is there already", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-twice"));
    expect(await kubectl.fails(["create", "-f", "-"], widget("w-twice"))).toContain(
      'Error from server (AlreadyExists): error when creating "STDIN": widgets.example.com "w-twice" already exists',
    );
  });

  it("a stale resourceVersion", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-stale"));
    const stale = await kubectl.ok(["get", "widget", "w-stale", "-o", "yaml"]);
    await kubectl.ok(["label", "widget", "w-stale", "moved=on"]);
    expect(await kubectl.fails(["replace", "-f", "-"], stale)).toContain(
      'Operation cannot be fulfilled on widgets.example.com "w-stale": the object has been modified; please apply your changes to the latest version and try again',
    );
    expect(await kubectl.fails(["label", "widget", "w-stale", "a=b", "--resource-version=1"])).toContain(
      "the object has been modified",
    );
  });

  it("a patch of a kind that custom resources do not take", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-strategic"));
    expect(await kubectl.fails(["patch", "widget", "w-strategic", "--type=strategic", "-p", "{}"])).toContain(
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    );
  });

  it("fields that others own, by manager, with how and in which version they write; no times, as in Kubernetes", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-owned", "size: 1, color: blue, replicas: 1"));
    await kubectl.ok(["patch", "widget", "w-owned", "--type=merge", "-p", '{"spec":{"replicas":2}}']);
    await kubectl.ok(["apply", "--server-side", "--field-manager=third", "-f", "-"], widget("w-owned", "size: 1"));
    const apply = (spec: string) =>
      kubectl.fails(["apply", "--server-side", "--field-manager=me", "-f", "-"], widget("w-owned", spec));
    expect(await apply("size: 1, color: red")).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl-create" using example.com/v1: .spec.color\n',
    );
    expect(await apply("size: 5, color: red, replicas: 3")).toContain(
      [
        'Apply failed with 4 conflicts: conflicts with "kubectl-create" using example.com/v1:',
        "- .spec.color",
        "- .spec.size",
        'conflicts with "kubectl-patch" using example.com/v1:',
        "- .spec.replicas",
        'conflicts with "third":',
        "- .spec.size",
      ].join("\n"),
    );
  });

  it("a JSON patch whose test does not hold", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-test"));
    const patch = '[{"op":"test","path":"/spec/size","value":99},{"op":"replace","path":"/spec/size","value":1}]';
    expect(await kubectl.fails(["patch", "widget", "w-test", "--type=json", "-p", patch])).toMatch(
      /The request is invalid|the server rejected our request/,
    );
    expect(await kubectl.ok(["get", "widget", "w-test", "-o", "jsonpath={.spec.size}"])).toBe("3");
  });

  it("a new finalizer on an object that is going", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-going", "size: 1", "finalizers: [example.com/a]"));
    await kubectl.ok(["delete", "widget", "w-going", "--wait=false"]);
    const add = '{"metadata":{"finalizers":["example.com/a","example.com/b"]}}';
    expect(await kubectl.fails(["patch", "widget", "w-going", "--type=merge", "-p", add])).toContain(
      "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted",
    );
    await kubectl.ok(["patch", "widget", "w-going", "--type=merge", "-p", '{"metadata":{"finalizers":[]}}']);
  });

  it("a definition that is no structural schema", async () => {
    const broken = WIDGET_CRD.replaceAll("widgets", "things")
      .replaceAll("widget", "thing")
      .replaceAll("Widget", "Thing")
      .replace("size: {type: integer,", "size: {");
    expect(await create(broken)).toMatch(
      /spec\.versions\[0\]\.schema\.openAPIV3Schema\.properties\[spec\]\.properties\[size\]\.type: Required value/,
    );
  });
});

describe("what others may do", () => {
  it("whoami and can-i say who one is", async () => {
    expect(await kubectl.ok(["auth", "whoami"])).toMatch(/Username +ferrite-admin/);
    expect(await kubectl.ok(["auth", "can-i", "delete", "widgets"])).toBe("yes\n");
    expect(await kubectl.ok(["auth", "can-i", "--list"])).toMatch(/\*\.\* +\[\] +\[\] +\[\*\]/);
    expect((await kubectl.run(["auth", "can-i", "get", "secrets", "--as", "bob"])).stdout).toBe("no\n");
  });

  it("a user gets what a role gives him, and nothing else", async () => {
    await kubectl.ok(["create", "role", "reader", "--verb=get,list", "--resource=widgets.example.com"]);
    await kubectl.ok(["create", "rolebinding", "bob-reads", "--role=reader", "--user=bob"]);
    await kubectl.ok(["create", "-f", "-"], widget("w-read"));
    // The policy follows the store by watch.
    const bob = ["--as", "bob"];
    await expect.poll(async () => (await kubectl.run(["get", "widget", "w-read", ...bob])).code).toBe(0);
    expect(await kubectl.fails(["delete", "widget", "w-read", ...bob])).toBe(
      'Error from server (Forbidden): widgets.example.com "w-read" is forbidden: User "bob" cannot delete resource "widgets" in API group "example.com" in the namespace "default"',
    );
    expect(await kubectl.fails(["get", "widgets", "-A", ...bob])).toContain("at the cluster scope");
  });

  it("a token of a ServiceAccount logs in until the account is gone", async () => {
    await kubectl.ok(["create", "sa", "robot"]);
    const token = (await kubectl.ok(["create", "token", "robot"])).trim();
    const asRobot = [
      "--token",
      token,
      "--kubeconfig=/dev/null",
      `--server=https://${server.address}`,
      "--insecure-skip-tls-verify",
    ];
    expect(await kubectl.ok(["auth", "whoami", ...asRobot])).toMatch(/Username +system:serviceaccount:default:robot/);
    await kubectl.ok(["delete", "sa", "robot"]);
    expect(await kubectl.fails(["auth", "whoami", ...asRobot])).toContain("You must be logged in to the server");
  });
});
