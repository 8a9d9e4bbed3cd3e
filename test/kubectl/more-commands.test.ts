import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../../machinery/object.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { cells, Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "ferrite-commands-"));
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
  await kubectl.ok(["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s"]);
});

afterAll(async () => {
  await server.destroy();
  rmSync(directory, { recursive: true });
});

const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

/** A kubectl whose editor runs `sed` over what it is given. */
const editing = (script: string): Kubectl =>
  new Kubectl(server.kubeconfig, { KUBE_EDITOR: `sed -i ${JSON.stringify(script)}` });

describe("edit", () => {
  it("changes what was edited, and nothing when nothing was", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-edit"));
    const edit = ["edit", "widget", "w-edit"];
    expect(await editing("s/size: 3/size: 4/").ok(edit)).toBe("widget.example.com/w-edit edited\n");
    const { metadata, ...rest } = await kubectl.json<KubeObject>(["get", "widget", "w-edit", "--show-managed-fields"]);
    expect(rest["spec"]).toEqual({ size: 4, color: "red" });
    expect(metadata.managedFields).toContainEqual(expect.objectContaining({ manager: "kubectl-edit" }));
    expect((await editing("s/size/size/").run(edit)).stderr).toBe("Edit cancelled, no changes made.\n");
    const after = await kubectl.json<KubeObject>(["get", "widget", "w-edit"]);
    expect(after.metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  it("keeps what was edited in a file when the server refuses it, and says why", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-edit-bad"));
    const { code, stderr, stdout } = await editing("s/size: 3/size: 0/").run(["edit", "widget", "w-edit-bad"]);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain('error: widgets.example.com "w-edit-bad" is invalid');
    expect(stderr).toMatch(/A copy of your changes has been stored to ".+"/);
    expect(await kubectl.ok(["get", "widget", "w-edit-bad", "-o", "jsonpath={.spec.size}"])).toBe("3");
  });

  it("edits the status by its subresource", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-edit-status"));
    const status = '{"status":{"phase":"Old"}}';
    await kubectl.ok(["patch", "widget", "w-edit-status", "--subresource=status", "--type=merge", "-p", status]);
    await editing("s/phase: Old/phase: New/").ok(["edit", "widget", "w-edit-status", "--subresource=status"]);
    expect(await kubectl.ok(["get", "widget", "w-edit-status", "-o", "jsonpath={.status.phase}"])).toBe("New");
  });
});

describe("kustomize", () => {
  it("applies, diffs, gets and deletes a folder", async () => {
    file("thing.yaml", widget("thing"));
    const kustomization = (size: number) =>
      file(
        "kustomization.yaml",
        `resources: [thing.yaml]\nnamePrefix: k-\npatches: [{target: {kind: Widget}, patch: '[{"op":"replace","path":"/spec/size","value":${size}}]'}]\n`,
      );
    kustomization(5);
    expect(await kubectl.ok(["apply", "-k", directory])).toBe("widget.example.com/k-thing created\n");
    expect(await kubectl.ok(["apply", "-k", directory])).toBe("widget.example.com/k-thing unchanged\n");
    expect((await kubectl.run(["diff", "-k", directory])).code).toBe(0);
    kustomization(6);
    const changed = await kubectl.run(["diff", "-k", directory]);
    expect([changed.code, changed.stdout]).toEqual([1, expect.stringMatching(/^\+ {2}size: 6$/m)]);
    expect(await kubectl.ok(["apply", "-k", directory])).toBe("widget.example.com/k-thing configured\n");
    expect(cells(await kubectl.ok(["get", "-k", directory]))[1]?.slice(0, 2)).toEqual(["k-thing", "6"]);
    expect(await kubectl.ok(["delete", "-k", directory])).toBe('widget.example.com "k-thing" deleted\n');
  });
});

describe("several at once", () => {
  it("gets and scales those that are there, and names the one that is not", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-some"));
    const got = await kubectl.run(["get", "widget", "w-some", "nobody", "-o", "name"]);
    expect([got.code, got.stdout]).toEqual([1, "widget.example.com/w-some\n"]);
    expect(got.stderr).toBe('Error from server (NotFound): widgets.example.com "nobody" not found\n');
    const scaled = await kubectl.run(["scale", "widget", "w-some", "nobody", "--replicas=2"]);
    expect([scaled.code, scaled.stdout]).toEqual([1, "widget.example.com/w-some scaled\n"]);
    expect(await kubectl.ok(["delete", "widget", "nobody", "--ignore-not-found"])).toBe("");
    const mixed = await kubectl.ok(["get", "widget/w-some", "cm/kube-root-ca.crt"]);
    expect(mixed).toMatch(/widget\.example\.com\/w-some +3[^]*configmap\/kube-root-ca\.crt +1 /);
  });

  it("patches the scale subresource, and prints by template and from a column file", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-sub"));
    const patch = ["patch", "widget", "w-sub", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":4}}'];
    expect(await kubectl.ok(patch)).toBe("scale.autoscaling/w-sub patched\n");
    expect(await kubectl.ok(["get", "widget", "w-sub", "-o", "go-template={{.spec.replicas}}"])).toBe("4");
    const columns = file("columns.txt", "NAME SIZE\nmetadata.name spec.size\n");
    expect(cells(await kubectl.ok(["get", "widget", "w-sub", "-o", `custom-columns-file=${columns}`]))).toEqual([
      ["NAME", "SIZE"],
      ["w-sub", "3"],
    ]);
    expect(await kubectl.ok(["wait", "--for=create", "widget/w-sub", "--timeout=5s"])).toBe(
      "widget.example.com/w-sub condition met\n",
    );
    const late = kubectl.ok(["wait", "--for=create", "widget/w-late", "--timeout=30s"]);
    await kubectl.ok(["create", "-f", "-"], widget("w-late"));
    expect(await late).toBe("widget.example.com/w-late condition met\n");
  });

  it("labels and annotations: kept unless overwritten, removed, listed", async () => {
    await kubectl.ok(["create", "-f", "-"], widget("w-label", "size: 3", "labels: {a: b}"));
    expect(await kubectl.fails(["label", "widget", "w-label", "a=c"])).toBe(
      "error: 'a' already has a value (b), and --overwrite is false",
    );
    expect(await kubectl.ok(["label", "widget", "w-label", "a=c", "--overwrite"])).toBe(
      "widget.example.com/w-label labeled\n",
    );
    expect(await kubectl.ok(["label", "widget", "w-label", "--list"])).toBe("a=c\n");
    expect(await kubectl.ok(["label", "widget", "w-label", "a-"])).toBe("widget.example.com/w-label unlabeled\n");
    expect(await kubectl.fails(["label", "widget", "w-label", "a=not ok"])).toContain("a valid label must be");
  });

  it("last-applied is viewed, set, and survives byte for byte", async () => {
    await kubectl.ok(["apply", "-f", "-"], widget("w-last", "size: 2"));
    expect(await kubectl.ok(["apply", "view-last-applied", "widget", "w-last"])).toMatch(/spec:\n {2}size: 2\n/);
    const path = file("last.yaml", widget("w-last", "size: 9"));
    await kubectl.ok(["apply", "set-last-applied", "-f", path]);
    expect(await kubectl.ok(["apply", "view-last-applied", "widget", "w-last"])).toMatch(/size: 9/);
    expect(await kubectl.ok(["get", "widget", "w-last", "-o", "jsonpath={.spec.size}"])).toBe("2");
  });
});

describe("what every cluster has", () => {
  it("namespaces, the API's own Service and where it leads, the groups that are served", async () => {
    const names = cells(await kubectl.ok(["get", "ns", "--no-headers"])).map(([name]) => name);
    expect(names).toEqual(
      expect.arrayContaining(["default", "kube-system", "kube-public", "kube-node-lease", "ferrite-system"]),
    );
    const service = () => kubectl.run(["get", "svc", "kubernetes", "--no-headers"]);
    await expect
      .poll(async () => (await service()).stdout, { timeout: 10_000 })
      .toMatch(/^kubernetes +ClusterIP +None +<none> +443\/TCP/);
    const endpoints = () => kubectl.run(["get", "ep", "kubernetes", "--no-headers"]);
    await expect.poll(async () => (await endpoints()).stdout, { timeout: 10_000 }).toContain(` ${server.address} `);
    expect(await kubectl.ok(["describe", "svc", "kubernetes"])).toMatch(
      new RegExp(`TargetPort: +https/TCP\\nEndpoints: +${server.address}\\n`),
    );
    const services = () => kubectl.run(["get", "apiservices", "--no-headers"]);
    await expect
      .poll(async () => (await services()).stdout, { timeout: 10_000 })
      .toMatch(/^v1\.example\.com +Local +True/m);
    await kubectl.ok(["wait", "--for=condition=Available", "apiservice/v1alpha1.ferrite.dev", "--timeout=10s"]);
  });

  it("describe ns, cluster-info dump and lists of kinds that are empty work", async () => {
    expect(await kubectl.ok(["describe", "ns", "default"])).toMatch(
      /Status: +Active\n\nNo resource quota\.\n\nNo LimitRange resource\.\n/,
    );
    const dump = join(directory, "dump");
    expect(await kubectl.ok(["cluster-info", "dump", `--output-directory=${dump}`])).toBe(
      `Cluster info dumped to ${dump}\n`,
    );
    for (const kind of ["pods", "nodes", "deployments", "pv", "storageclasses", "ingresses", "jobs", "hpa"]) {
      const { code, stdout, stderr } = await kubectl.run(["get", kind]);
      expect([code, stdout, stderr.startsWith("No resources found")], kind).toEqual([0, "", true]);
    }
  });

  it("apply --prune finds all the kinds that it looks through by default", async () => {
    const set = ["apply", "-f", "-", "--prune", "-l", "set=builtin", "-n", "default"];
    const cm = (name: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: default, labels: {set: builtin}}
`;
    await kubectl.ok(set, `${cm("prune-a")}---${cm("prune-b")}`);
    expect(await kubectl.ok(set, cm("prune-a"))).toBe("configmap/prune-a unchanged\nconfigmap/prune-b pruned\n");
  });
});

describe("what there is not, said so that one understands", () => {
  it.each([
    [["top", "nodes"], "error: Metrics API not available"],
    [["top", "pods"], "error: Metrics API not available"],
    [["rollout", "status", "deploy/x"], 'Error from server (NotFound): deployments.apps "x" not found'],
    [["rollout", "restart", "deploy/x"], 'Error from server (NotFound): deployments.apps "x" not found'],
    [["set", "image", "deploy/x", "a=b"], 'Error from server (NotFound): deployments.apps "x" not found'],
    [["exec", "x", "--", "ls"], 'Error from server (NotFound): pods "x" not found'],
    [["logs", "x"], 'rror from server (NotFound): pods "x" not found'],
    [["drain", "n"], 'Error from server (NotFound): nodes "n" not found'],
    [["cordon", "n"], 'Error from server (NotFound): nodes "n" not found'],
    [["certificate", "approve", "x"], "certificatesigningrequests.certificates.k8s.io"],
    [["create", "token", "nobody"], 'error: failed to create token: serviceaccounts "nobody" not found'],
    [
      ["run", "x", "--image=y"],
      "Error from server (MethodNotAllowed): Ferrite has no objects of kind Pod (v1): the list is always empty and none can be made",
    ],
    [
      ["create", "deployment", "x", "--image=y"],
      "error: failed to create deployment: Ferrite has no objects of kind Deployment (apps/v1): the list is always empty and none can be made",
    ],
    [
      ["create", "service", "clusterip", "x", "--tcp=80"],
      "error: failed to create ClusterIP service: the API server itself keeps default/kubernetes",
    ],
    [
      ["delete", "svc", "kubernetes"],
      "Error from server (MethodNotAllowed): the API server itself keeps default/kubernetes",
    ],
    [["delete", "ns", "kube-system"], 'namespaces "kube-system" is forbidden: this namespace may not be deleted'],
    [["port-forward", "svc/kubernetes", "1:443"], "Service is defined without a selector"],
  ])("kubectl %j", async (argv, text) => {
    expect(await kubectl.fails(argv)).toContain(text);
  });

  it("debug of what is not there", async () => {
    expect(await kubectl.fails(["debug", "x", "--image=y", "--profile=general"])).toBe(
      'Error from server (NotFound): pods "x" not found',
    );
  });
});

describe("roles", () => {
  it("auth reconcile makes and adds to a role", async () => {
    const role = (verbs: string) => `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reconciled}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [${verbs}]}]
`;
    const reconcile = (verbs: string) => kubectl.run(["auth", "reconcile", "-f", "-"], role(verbs));
    const made = await reconcile("get");
    expect([made.code, made.stdout]).toEqual([0, "clusterrole.rbac.authorization.k8s.io/reconciled reconciled\n"]);
    expect(made.stderr).toContain("reconciliation required create");
    expect((await reconcile("get, list")).stderr).toContain("{Verbs:[list] APIGroups:[] Resources:[configmaps]");
    expect(await kubectl.ok(["get", "clusterrole", "reconciled", "-o", "jsonpath={.rules[*].verbs[*]}"])).toBe(
      "get list",
    );
  });

  it("can-i answers for subresources, names, URLs and other people", async () => {
    expect(await kubectl.ok(["auth", "can-i", "update", "widgets", "--subresource=status"])).toBe("yes\n");
    expect(await kubectl.ok(["auth", "can-i", "get", "/metrics"])).toBe("yes\n");
    const bob = ["--as", "bob", "--as-group", "system:authenticated"];
    for (const [question, answer] of [
      [["get", "/version"], "yes\n"],
      [["get", "/metrics"], "no\n"],
      [["list", "widgets"], "no\n"],
      [["create", "selfsubjectaccessreviews.authorization.k8s.io"], "yes\n"],
    ] as const) {
      const { code, stdout } = await kubectl.run(["auth", "can-i", ...question, ...bob]);
      expect([code, stdout], question.join(" ")).toEqual([answer === "yes\n" ? 0 : 1, answer]);
    }
    expect((await kubectl.run(["auth", "can-i", "get", "unicorns"])).stderr).toContain(
      "Warning: the server doesn't have a resource type 'unicorns'",
    );
  });

  it("a certificate is asked for, approved, and logs in", async () => {
    const { certificate, key } = await requestCertificate(kubectl, directory, "carol");
    const carol = [`--client-certificate=${certificate}`, `--client-key=${key}`, "--kubeconfig=/dev/null"];
    const there = [`--server=https://${server.address}`, "--insecure-skip-tls-verify"];
    expect(await kubectl.ok(["auth", "whoami", ...carol, ...there])).toMatch(/Username +carol/);
  });
});

/** As the documentation of kubectl says: openssl, a request, an approval. */
async function requestCertificate(
  kubectl: Kubectl,
  directory: string,
  user: string,
): Promise<{ certificate: string; key: string }> {
  const { execFileSync } = await import("node:child_process");
  const key = join(directory, `${user}.key`);
  const pem = execFileSync(
    "openssl",
    ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", `/CN=${user}`],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  await kubectl.ok(
    ["create", "-f", "-"],
    `
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: ${user}}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: ${pem.toString("base64")}
`,
  );
  expect(cells(await kubectl.ok(["get", "csr", user]))[1]?.at(-1)).toBe("Pending");
  expect(await kubectl.ok(["certificate", "approve", user])).toBe(
    `certificatesigningrequest.certificates.k8s.io/${user} approved\n`,
  );
  const issued = ["get", "csr", user, "-o", "jsonpath={.status.certificate}"];
  await expect.poll(() => kubectl.ok(issued), { timeout: 10_000 }).not.toBe("");
  const certificate = join(directory, `${user}.crt`);
  writeFileSync(certificate, Buffer.from(await kubectl.ok(issued), "base64"));
  return { certificate, key };
}
