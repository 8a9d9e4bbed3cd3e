import { afterAll, beforeAll, expect, it } from "vitest";
import { ownDefinitions } from "../../../../apiserver/own-definitions.ts";
import { startServer } from "../../../../apiserver/server.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { API_VERSION } from "../../../../crds/constants.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import { type Harness, harnessOf } from "../harness.ts";
import { askAs, eventually } from "../lifecycle/world.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const VOLUMES = `/apis/${API_VERSION}/namespaces/default/volumes`;

let harness: Harness;

const volume = (name: string, group: string, more: object = {}) => ({
  apiVersion: API_VERSION,
  kind: "Volume",
  metadata: { name },
  spec: { volumeGroupRef: { name: group }, size: "1Gi", ...more },
});
const adopting = (name: string, group: string) => volume(name, group, { adopt: { logicalVolumeName: "old" } });

const as = (user: string, method: string, path: string, body?: object) =>
  askAs(harness.server, { certificate: { commonName: user, organizations: [] } }, method, path, body);

const grant = async (path: string, kind: string, role: string, user: string) => {
  const name = `${role}-${user}`;
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role };
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }];
  const body = { apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata: { name }, roleRef, subjects };
  expect((await harness.ask("POST", `${RBAC}/${path}`, body)).status).toBe(201);
};

beforeAll(async () => {
  const storage = new MemoryStorage(systemClock);
  harness = harnessOf(await startServer({ storage, definitions: ownDefinitions() }), storage);
  const rules = [
    { apiGroups: ["ferrite.dev"], resources: ["volumegroups"], resourceNames: ["shelf"], verbs: ["adopt"] },
    { apiGroups: ["ferrite.dev"], resources: ["hosts"], resourceNames: ["alpha"], verbs: ["adopt"] },
  ];
  await harness.ask("POST", `${RBAC}/clusterroles`, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "adopter" },
    rules,
  });
  await grant("namespaces/default/rolebindings", "RoleBinding", "edit", "editor");
  await grant("namespaces/default/rolebindings", "RoleBinding", "cluster-admin", "tenant");
  await grant("namespaces/default/rolebindings", "RoleBinding", "edit", "trusted");
  await grant("clusterrolebindings", "ClusterRoleBinding", "adopter", "trusted");
  await grant("clusterrolebindings", "ClusterRoleBinding", "ferrite:operator", "operator");
  // The policy follows the store by watch, and aggregated roles fill up later.
  await eventually(async () => {
    for (const user of ["editor", "tenant", "trusted", "operator"]) {
      const { status } = await as(user, "POST", VOLUMES, volume(`plain-${user}`, "shelf"));
      expect([201, 409]).toContain(status);
    }
  });
});

afterAll(() => harness.server.stop());

it("an editor of the namespace makes Volumes, and takes over nobody's", async () => {
  const { status, body } = await as("editor", "POST", VOLUMES, adopting("mine", "shelf"));
  expect([status, body["reason"]]).toEqual([403, "Forbidden"]);
  expect(body["message"]).toBe(
    'volumes.ferrite.dev "mine" is forbidden: spec.adopt: user "editor" may not take over logical volumes that exist in ' +
      'VolumeGroup "shelf": that takes the verb "adopt" on volumegroups.ferrite.dev "shelf" at the cluster scope',
  );
});

it("who may do everything in a namespace may not reach out of it", async () => {
  expect((await as("tenant", "POST", VOLUMES, adopting("mine", "shelf"))).status).toBe(403);
  expect((await as("tenant", "POST", `${VOLUMES}?dryRun=All`, adopting("mine", "shelf"))).status).toBe(403);
});

it("the verb counts for the group that was named, not for others", async () => {
  expect((await as("trusted", "POST", VOLUMES, adopting("mine", "shelf"))).status).toBe(201);
  expect((await as("trusted", "POST", VOLUMES, adopting("theirs", "vault"))).status).toBe(403);
});

it("adopted Volumes are everybody's to change afterwards", async () => {
  await as("trusted", "POST", VOLUMES, adopting("shared", "shelf"));
  const { body } = await as("editor", "GET", `${VOLUMES}/shared`);
  const labelled = { ...body, metadata: { ...body.metadata, labels: { tier: "gold" } } };
  expect((await as("editor", "PUT", `${VOLUMES}/shared`, labelled)).status).toBe(200);
});

it("operators and administrators have it", async () => {
  expect((await as("operator", "POST", VOLUMES, adopting("ops", "vault"))).status).toBe(201);
  expect((await harness.ask("POST", VOLUMES, adopting("ours", "vault"))).status).toBe(201);
});

const MACHINES = `/apis/${API_VERSION}/namespaces/default/virtualmachines`;
const MACHINE = { hypervisor: "KVM", cpus: 1, memory: { size: "512Mi" }, boot: { firmware: "UEFI" }, disks: [] };
const guest = (name: string, hostName: string | undefined, domainName = "web") => ({
  apiVersion: API_VERSION,
  kind: "VirtualMachine",
  metadata: { name },
  spec: {
    ...MACHINE,
    adopt: { domainName },
    ...(hostName === undefined ? {} : { placement: { hostName } }),
  },
});

it("a guest that runs is taken over by who may do so on its host; an adopted one is not turned on another", async () => {
  const refused = await as("editor", "POST", MACHINES, guest("mine", "alpha"));
  expect(refused.body["message"]).toBe(
    'virtualmachines.ferrite.dev "mine" is forbidden: spec.adopt: user "editor" may not take over guests that run on ' +
      'Host "alpha": that takes the verb "adopt" on hosts.ferrite.dev "alpha" at the cluster scope',
  );
  const made = await as("trusted", "POST", MACHINES, guest("mine", "alpha"));
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const anywhere = await as("trusted", "POST", MACHINES, guest("any", undefined));
  expect([anywhere.status, anywhere.body["message"]]).toEqual([
    403,
    expect.stringContaining('"adopt" on all hosts.ferrite.dev at the cluster scope'),
  ]);
  const moved = { ...made.body, spec: { ...(made.body["spec"] as object), placement: { hostName: "beta" } } };
  expect((await as("editor", "PUT", `${MACHINES}/mine`, moved)).status).toBe(403);
  const labelled = { ...made.body, metadata: { ...made.body.metadata, labels: { tier: "gold" } } };
  expect((await as("editor", "PUT", `${MACHINES}/mine`, labelled)).status).toBe(200);
  expect((await as("operator", "POST", MACHINES, guest("any", undefined))).status).toBe(201);
});

it("nobody grants it who does not have it", async () => {
  await grant("clusterrolebindings", "ClusterRoleBinding", "admin", "chief");
  const rules = [{ apiGroups: ["ferrite.dev"], resources: ["volumegroups"], verbs: ["adopt"] }];
  const role = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "sneaky", namespace: "default" },
    rules,
  };
  await eventually(async () => {
    const { status, body } = await as("chief", "POST", `${RBAC}/namespaces/default/roles`, role);
    expect([status, body["message"]]).toEqual([403, expect.stringContaining("attempting to grant RBAC permissions")]);
  });
});
