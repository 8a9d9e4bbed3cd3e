import { beforeEach, describe, expect, it, test } from "vitest";
import { createAuthenticator } from "../../../../apiserver/access/authenticate.ts";
import { impersonate } from "../../../../apiserver/access/impersonate.ts";
import { keyToPem, newKeyPair } from "../../../../apiserver/access/pki/certificates.ts";
import { rbacAuthorizer } from "../../../../apiserver/access/rbac/authorizer.ts";
import { hostTokenSecret } from "../../../../apiserver/access/tokens/bootstrap-tokens.ts";
import { ServiceAccountTokens, TokenRefusedError } from "../../../../apiserver/access/tokens/service-account-tokens.ts";
import { parseTokenFile } from "../../../../apiserver/access/tokens/static-tokens.ts";
import { virtualResources } from "../../../../apiserver/builtin/virtual-resources.ts";
import type { CompiledSchema, SchemaNode } from "../../../../apiserver/schema/types.ts";
import { type Clock, systemClock } from "../../../../machinery/clock.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { seededRandom } from "../../../../machinery/random.ts";
import { bind, index, isUser, role, user } from "./policy-builders.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const keyPem = await keyToPem((await newKeyPair()).privateKey);
const otherKeyPem = await keyToPem((await newKeyPair()).privateKey);

let nowMs: number;
let objects: Map<string, KubeObject>;
const clock: Clock = { ...systemClock, now: () => new Date(nowMs) };

beforeEach(() => {
  nowMs = START;
  objects = new Map();
  store("ServiceAccount", "a", "bot", "uid-1");
});

function store(kind: string, namespace: string, name: string, uid: string, more: object = {}): KubeObject {
  const object = { apiVersion: "v1", kind, metadata: { namespace, name, uid }, ...more };
  objects.set(`${kind}/${namespace}/${name}`, object);
  return object;
}

const lookUp = (kind: string, namespace: string, name: string) =>
  Promise.resolve(objects.get(`${kind}/${namespace}/${name}`));

const tokens = (key = keyPem, issuer = "https://ferrite.local") =>
  new ServiceAccountTokens({
    keyPem: key,
    issuer,
    audiences: ["ferrite", "second"],
    clock,
    random: seededRandom(1),
    lookUp,
  });

const issue = (
  of = tokens(),
  wish: { audiences?: string[]; expirationSeconds?: number; secret?: { name: string; uid: string } } = {},
) =>
  of.issue({
    serviceAccount: objects.get("ServiceAccount/a/bot")!,
    audiences: wish.audiences ?? [],
    expirationSeconds: wish.expirationSeconds,
    secret: wish.secret,
  });

const authenticator = (file = "") =>
  createAuthenticator({
    serviceAccountTokens: tokens(),
    staticTokens: parseTokenFile(file, "tokens.csv"),
    clock,
    getSecret: (namespace, name) => lookUp("Secret", namespace, name),
  });

const login = (bearerToken: string, file?: string) =>
  authenticator(file).authenticate({ certificate: undefined, bearerToken });
const byCertificate = (commonName: string, organizations: string[]) =>
  authenticator().authenticate({ certificate: { commonName, organizations }, bearerToken: undefined });

describe("certificates", () => {
  it("are users by CN and groups by O", async () => {
    expect(await byCertificate("alice", ["dev", "ops"])).toMatchObject({
      name: "alice",
      groups: ["dev", "ops", "system:authenticated"],
    });
  });

  it.each([[""], ["system:anonymous"]])("of nobody (%o) are refused", async (name) => {
    await expect(byCertificate(name, [])).rejects.toMatchObject({ code: 401 });
  });

  it("come before tokens", async () => {
    const found = await authenticator().authenticate({
      certificate: { commonName: "alice", organizations: [] },
      bearerToken: "rubbish",
    });
    expect(found?.name).toBe("alice");
  });
});

describe("ServiceAccount tokens", () => {
  it("log in as the account, with its uid and groups", async () => {
    const { token, expires } = await issue();
    expect(expires.getTime()).toBe(START + 3600_000);
    expect(await login(token)).toMatchObject({
      name: "system:serviceaccount:a:bot",
      uid: "uid-1",
      groups: ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
    });
  });

  it("expire to the second", async () => {
    const { token } = await issue(tokens(), { expirationSeconds: 600 });
    nowMs = START + 599_000;
    await expect(login(token)).resolves.toBeDefined();
    nowMs = START + 600_000;
    await expect(login(token)).rejects.toMatchObject({ code: 401, message: "Unauthorized" });
  });

  it("for another audience are refused here and hold there", async () => {
    const { token } = await issue(tokens(), { audiences: ["vault"] });
    await expect(login(token)).rejects.toMatchObject({ code: 401 });
    expect(await tokens().check(token, ["vault", "x"])).toMatchObject({ audiences: ["vault"] });
    await expect(tokens().check(token, ["x"])).rejects.toThrow(TokenRefusedError);
  });

  it("of another key or issuer are refused", async () => {
    await expect(login((await issue(tokens(otherKeyPem))).token)).rejects.toMatchObject({ code: 401 });
    await expect(login((await issue(tokens(keyPem, "https://else"))).token)).rejects.toMatchObject({ code: 401 });
  });

  it("are refused when any part of them is changed", async () => {
    const { token } = await issue();
    const [head = "", body = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const forge = (change: object) => Buffer.from(JSON.stringify({ ...claims, ...change })).toString("base64url");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    const forged = [
      `${head}.${forge({ sub: "system:serviceaccount:kube-system:root" })}.${signature}`,
      `${head}.${forge({ exp: claims.exp + 1 })}.${signature}`,
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${head}.${body}.${signature.slice(0, -4)}AAAA`,
      `${head}.${body}.`,
      "a.b.c",
    ];
    for (const one of forged) await expect(login(one)).rejects.toMatchObject({ code: 401 });
  });

  it("die with the account, even when one of its name comes back", async () => {
    const { token } = await issue();
    store("ServiceAccount", "a", "bot", "uid-2");
    await expect(login(token)).rejects.toMatchObject({ code: 401 });
    objects.delete("ServiceAccount/a/bot");
    await expect(login(token)).rejects.toMatchObject({ code: 401 });
  });

  it("die with the Secret that they are bound to", async () => {
    store("Secret", "a", "s", "uid-s");
    const { token } = await issue(tokens(), { secret: { name: "s", uid: "uid-s" } });
    await expect(login(token)).resolves.toBeDefined();
    objects.delete("Secret/a/s");
    await expect(login(token)).rejects.toMatchObject({ code: 401 });
  });

  it("do not turn an unreadable store into a refusal", async () => {
    const { token } = await issue();
    const blind = new ServiceAccountTokens({
      keyPem,
      issuer: "https://ferrite.local",
      audiences: ["ferrite"],
      clock,
      random: seededRandom(1),
      lookUp: () => Promise.reject(new Error("etcd is away")),
    });
    await expect(blind.check(token)).rejects.toThrow("etcd is away");
    await expect(blind.check(token)).rejects.not.toBeInstanceOf(TokenRefusedError);
  });

  it("can be checked by others from the published key", async () => {
    const { keys } = await tokens().jwks();
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toHaveProperty("d");
    expect(tokens().openIdConfiguration()).toMatchObject({ jwks_uri: "https://ferrite.local/openid/v1/jwks" });
  });
});

describe("bootstrap tokens", () => {
  const host = (more: Partial<{ secret: string; expires: Date }> = {}) => {
    const secret = hostTokenSecret({
      id: "abcdef",
      secret: "0123456789abcdef",
      host: "h1",
      expires: new Date(START + 60_000),
      ...more,
    });
    objects.set(`Secret/kube-system/${secret.metadata.name}`, secret);
    return secret;
  };
  const TOKEN = "abcdef.0123456789abcdef";

  it("log in as a joining host, and know which", async () => {
    host();
    expect(await login(TOKEN)).toEqual({
      name: "system:bootstrap:abcdef",
      uid: "",
      groups: ["system:bootstrappers", "system:bootstrappers:ferrite:hosts", "system:authenticated"],
      extra: { "ferrite.dev/host": ["h1"] },
    });
  });

  it("are refused: unknown, wrong, expired, deleted, of another type or name, or with unreadable time", async () => {
    await expect(login(TOKEN)).rejects.toMatchObject({ code: 401 });
    const secret = host();
    await expect(login("abcdef.0123456789abcdee")).rejects.toMatchObject({ code: 401 });
    nowMs = START + 60_000;
    await expect(login(TOKEN)).rejects.toMatchObject({ code: 401 });
    nowMs = START;
    await expect(login(TOKEN)).resolves.toBeDefined();
    const data = secret["data"] as Record<string, string>;
    const bad = [
      { ...secret, type: "Opaque" },
      { ...secret, metadata: { ...secret.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } },
      { ...secret, data: { ...data, expiration: Buffer.from("tomorrow").toString("base64") } },
      { ...secret, data: { ...data, "usage-bootstrap-authentication": Buffer.from("false").toString("base64") } },
      { ...secret, data: { ...data, "token-id": Buffer.from("ghijkl").toString("base64") } },
      { ...secret, data: { ...data, "auth-extra-groups": Buffer.from("system:masters").toString("base64") } },
    ];
    for (const one of bad) {
      objects.set("Secret/kube-system/bootstrap-token-abcdef", one);
      await expect(login(TOKEN)).rejects.toMatchObject({ code: 401 });
    }
  });
});

describe("the token file", () => {
  const file = 'tok-1,alice,1\n# comment\n\ntok-2,bob,2,"dev,ops"\ntok-3,carol,,dev\n';

  test.each([
    ["tok-1", { name: "alice", uid: "1", groups: ["system:authenticated"] }],
    ["tok-2", { name: "bob", uid: "2", groups: ["dev", "ops", "system:authenticated"] }],
    ["tok-3", { name: "carol", uid: "", groups: ["dev", "system:authenticated"] }],
  ])("logs %s in", async (token, expected) => {
    expect(await login(token, file)).toMatchObject(expected);
  });

  it("refuses every other token, and takes none for nobody", async () => {
    await expect(login("tok-4", file)).rejects.toMatchObject({ code: 401 });
    expect(await login("", file)).toBeUndefined();
  });

  it.each(["tok", "tok,alice", ",alice,1", "tok,,1", "tok,a,1,g,h"])(
    "with the line %o stops the start, without showing the token",
    (line) => {
      expect(() => parseTokenFile(`x,y,z\n${line}`, "tokens.csv")).toThrow(/tokens.csv:2: expected/);
    },
  );
});

describe("impersonate", () => {
  const policy = index(
    role("ClusterRole", "imp", [
      { verbs: ["impersonate"], apiGroups: [""], resources: ["users"], resourceNames: ["bob"] },
      { verbs: ["impersonate"], apiGroups: [""], resources: ["groups"], resourceNames: ["dev"] },
      { verbs: ["impersonate"], apiGroups: ["authentication.k8s.io"], resources: ["userextras/scopes"] },
    ]),
    role("Role", "sa", [{ verbs: ["impersonate"], apiGroups: [""], resources: ["serviceaccounts"] }], "a"),
    bind("ClusterRole", "imp", isUser("alice")),
    bind("Role", "sa", isUser("alice"), "a"),
  );
  const as = (headers: Record<string, string | string[]>) =>
    impersonate(user("alice"), headers, rbacAuthorizer(policy));

  it("acts as whom it may, part by part", async () => {
    expect(await as({})).toEqual(user("alice"));
    expect(
      await as({ "impersonate-user": "bob", "impersonate-group": ["dev"], "impersonate-extra-scopes": "x" }),
    ).toEqual({
      name: "bob",
      uid: "",
      groups: ["dev", "system:authenticated"],
      extra: { scopes: ["x"] },
    });
    expect(await as({ "impersonate-user": "system:serviceaccount:a:bot" })).toMatchObject({
      groups: ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
    });
  });

  it.each<[string, Record<string, string | string[]>]>([
    ["another user", { "impersonate-user": "eve" }],
    ["another group", { "impersonate-user": "bob", "impersonate-group": ["dev", "system:masters"] }],
    ["another extra", { "impersonate-user": "bob", "impersonate-extra-other": "x" }],
    ["a uid", { "impersonate-user": "bob", "impersonate-uid": "1" }],
    ["an account elsewhere", { "impersonate-user": "system:serviceaccount:b:bot" }],
  ])("refuses %s", async (_, headers) => {
    await expect(as(headers)).rejects.toMatchObject({ reason: "Forbidden" });
  });

  it("refuses groups without a user", async () => {
    await expect(as({ "impersonate-group": "dev" })).rejects.toMatchObject({ reason: "BadRequest" });
  });
});

describe("virtual resources", () => {
  const uncompiled = (root: SchemaNode): CompiledSchema => ({
    root,
    prune: () => [],
    applyDefaults: () => undefined,
    validate: () => [],
  });
  const policy = index(
    role("ClusterRole", "r", [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }]),
    bind("ClusterRole", "r", isUser("alice")),
  );
  const post = (
    plural: string,
    spec: object,
    more: { namespace?: string; name?: string; subresource?: string } = {},
  ) => {
    const kinds = virtualResources(uncompiled, {
      authorizer: rbacAuthorizer(policy),
      policy,
      authenticator: authenticator(),
      tokens: tokens(),
      getServiceAccount: (namespace, name) => lookUp("ServiceAccount", namespace, name),
      getSecret: (namespace, name) => lookUp("Secret", namespace, name),
    });
    const kind = kinds.find((one) => one.plural === plural && one.subresource === (more.subresource ?? ""))!;
    const body = { apiVersion: kind.bodyApiVersion, kind: kind.kind, metadata: {}, spec } as KubeObject;
    return kind.create({ user: user("alice"), namespace: more.namespace ?? "", name: more.name ?? "", body });
  };
  const secrets = { verb: "get", resource: "secrets", namespace: "a" };

  it("answer can-i for oneself and others", async () => {
    expect(await post("selfsubjectaccessreviews", { resourceAttributes: secrets })).toMatchObject({
      status: { allowed: true },
    });
    expect(await post("subjectaccessreviews", { resourceAttributes: secrets, user: "bob" })).toMatchObject({
      status: { allowed: false },
    });
    expect(
      await post("subjectaccessreviews", { nonResourceAttributes: { path: "/metrics", verb: "get" }, user: "alice" }),
    ).toMatchObject({ status: { allowed: false } });
    expect(
      await post("localsubjectaccessreviews", { resourceAttributes: secrets, user: "alice" }, { namespace: "a" }),
    ).toMatchObject({ status: { allowed: true } });
  });

  it.each<[string, object]>([
    ["selfsubjectaccessreviews", {}],
    ["selfsubjectaccessreviews", { resourceAttributes: secrets, nonResourceAttributes: {} }],
    ["subjectaccessreviews", { resourceAttributes: secrets }],
    ["localsubjectaccessreviews", { resourceAttributes: { ...secrets, namespace: "b" }, user: "x" }],
    ["selfsubjectrulesreviews", {}],
    ["tokenreviews", {}],
  ])("refuse %s of %j", async (plural, spec) => {
    await expect(post(plural, spec, { namespace: "a" })).rejects.toMatchObject({ reason: "Invalid" });
  });

  it("say who one is and what one may", async () => {
    expect(await post("selfsubjectreviews", {})).toMatchObject({ status: { userInfo: { username: "alice" } } });
    expect(await post("selfsubjectrulesreviews", { namespace: "a" })).toMatchObject({
      status: { resourceRules: [{ resources: ["secrets"] }], incomplete: false },
    });
  });

  it("issue tokens and review them", async () => {
    const made = await post(
      "serviceaccounts",
      { audiences: ["vault"] },
      { namespace: "a", name: "bot", subresource: "token" },
    );
    const { token } = made["status"] as { token: string };
    expect(await post("tokenreviews", { token, audiences: ["vault"] })).toMatchObject({
      status: { authenticated: true, user: { username: "system:serviceaccount:a:bot" } },
    });
    expect(await post("tokenreviews", { token })).toMatchObject({ status: { authenticated: false } });
    await expect(
      post("serviceaccounts", {}, { namespace: "a", name: "none", subresource: "token" }),
    ).rejects.toMatchObject({ reason: "NotFound" });
    await expect(
      post("serviceaccounts", { expirationSeconds: 5 }, { namespace: "a", name: "bot", subresource: "token" }),
    ).rejects.toMatchObject({ reason: "Invalid" });
    await expect(
      post(
        "serviceaccounts",
        { boundObjectRef: { kind: "Pod", name: "p" } },
        { namespace: "a", name: "bot", subresource: "token" },
      ),
    ).rejects.toMatchObject({ reason: "Invalid" });
  });
});
