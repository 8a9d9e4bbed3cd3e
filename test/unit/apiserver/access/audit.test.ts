import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { auditEvent, type AuditedRequest, AuditLog, isAudited } from "../../../../apiserver/access/audit.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { ask, user } from "./policy-builders.ts";

const request = (more: Partial<AuditedRequest> = {}): AuditedRequest => ({
  auditId: "id-1",
  user: { ...user("alice"), extra: { "authentication.kubernetes.io/credential-id": ["JTI=hunter2"] } },
  attributes: ask(user("alice"), "create", "secrets", { namespace: "a" }),
  requestUri: "/api/v1/namespaces/a/secrets?fieldManager=kubectl&dryRun=All",
  sourceIps: ["127.0.0.1"],
  userAgent: "kubectl",
  receivedAt: new Date("2026-01-01T00:00:00.001Z"),
  answeredAt: new Date("2026-01-01T00:00:00.002Z"),
  responseCode: 201,
  decision: "allow",
  reason: "RBAC: allowed",
  ...more,
});

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), "ferrite-audit-"))));
afterEach(() => rm(directory, { recursive: true }));

const openLog = (more: { maxBytes?: number; backups?: number; path?: string } = {}) =>
  new AuditLog({
    path: join(directory, "audit.log"),
    maxBytes: 1e6,
    backups: 2,
    log: silentLogger,
    ...more,
  });

describe("auditEvent", () => {
  it("is an audit.k8s.io/v1 Event at level Metadata", () => {
    expect(auditEvent(request())).toEqual({
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      auditID: "id-1",
      stage: "ResponseComplete",
      requestURI: "/api/v1/namespaces/a/secrets?fieldManager=kubectl&dryRun=All",
      verb: "create",
      user: { username: "alice", groups: ["system:authenticated"] },
      sourceIPs: ["127.0.0.1"],
      userAgent: "kubectl",
      objectRef: { resource: "secrets", namespace: "a", apiVersion: "v1" },
      responseStatus: { metadata: {}, code: 201 },
      requestReceivedTimestamp: "2026-01-01T00:00:00.001000Z",
      stageTimestamp: "2026-01-01T00:00:00.002000Z",
      annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed" },
    });
  });

  it("names what was created by the object that was sent; the path comes first", () => {
    const sent = { namespace: "b", name: "made", uid: "u1", resourceVersion: "7" };
    expect(auditEvent(request({ sent }))["objectRef"]).toEqual({
      resource: "secrets",
      namespace: "a",
      name: "made",
      uid: "u1",
      apiVersion: "v1",
      resourceVersion: "7",
    });
  });

  it("never writes down a secret that came by the query or the login", () => {
    const line = JSON.stringify(
      auditEvent(
        request({ requestUri: "/api/v1/secrets?access_token=hunter2&password=hunter2&labelSelector=a%3Db&=hunter2" }),
      ),
    );
    expect(line).not.toContain("hunter2");
    expect(line).toContain("labelSelector=a%3Db");
  });

  it("tells who acted as whom", () => {
    expect(auditEvent(request({ impersonated: user("bob") }))).toMatchObject({
      user: { username: "alice" },
      impersonatedUser: { username: "bob" },
    });
  });
});

test.each([
  ["create", 201, true],
  ["patch", 409, true],
  ["delete", 200, true],
  ["get", 200, false],
  ["watch", 200, false],
  ["get", 403, true],
  ["list", 401, true],
  ["get", 404, false],
])("%s answered %i is recorded: %s", (verb, responseCode, expected) => {
  expect(isAudited({ attributes: ask(user("a"), verb, "secrets"), responseCode })).toBe(expected);
});

describe("AuditLog", () => {
  it("appends whole lines in order, private, over restarts", async () => {
    for (const start of [0, 100]) {
      const log = openLog();
      for (let n = start; n < start + 100; n++) log.record(request({ auditId: `id-${n}` }));
      await log.close();
    }
    const lines = (await readFile(join(directory, "audit.log"), "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).auditID)).toEqual(Array.from({ length: 200 }, (_, n) => `id-${n}`));
    expect((await stat(join(directory, "audit.log"))).mode & 0o777).toBe(0o600);
  });

  it("rotates, and keeps as many old files as asked", async () => {
    const log = openLog({ maxBytes: 1000, backups: 2 });
    for (let n = 0; n < 12; n++) {
      log.record(request({ auditId: `id-${n}` }));
      await log.flush();
    }
    await log.close();
    const names = (await readdir(directory)).toSorted();
    expect(names.filter((name) => name !== "audit.log")).toEqual(["audit.log.1", "audit.log.2"]);
    const youngest = await readFile(join(directory, "audit.log.1"), "utf8");
    const older = await readFile(join(directory, "audit.log.2"), "utf8");
    const first = (text: string) => Number(JSON.parse(text.split("\n")[0]!).auditID.slice(3));
    expect(first(youngest)).toBeGreaterThan(first(older));
  });

  it("survives a disk that takes nothing, and goes on when it does", async () => {
    const log = openLog({ path: join(directory, "missing", "audit.log") });
    log.record(request());
    await expect(log.flush()).resolves.toBeUndefined();
    await log.close();
  });
});
