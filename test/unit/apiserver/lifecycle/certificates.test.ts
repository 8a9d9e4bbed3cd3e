import "reflect-metadata"; // before @peculiar/x509
import * as x509 from "@peculiar/x509";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KEY_ALGORITHM, newKeyPair } from "../../../../apiserver/access/pki/certificates.ts";
import { hostTokenSecret } from "../../../../apiserver/access/tokens/bootstrap-tokens.ts";
import type { CsrObject } from "../../../../apiserver/builtin/kinds/certificate-signing-request.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { AUTHORITY, askAs, eventually, startWorld, stopWorld, type World } from "./world.ts";

const CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const TOKEN = { bearerToken: "abcdef.0123456789abcdef" };
const keys = await newKeyPair();

let world: World;
beforeEach(async () => void (world = await startWorld({ authority: true, servers: 2 })));
afterEach(() => stopWorld(world));

async function csr(
  name: string,
  commonName: string,
  organization: string,
  signerName = "ferrite.dev/host",
): Promise<KubeObject> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: [organization] }, { CN: [commonName] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
  });
  return {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name },
    spec: {
      request: Buffer.from(`${request.toString("pem")}\n`).toString("base64"),
      signerName,
      usages: ["client auth"],
      expirationSeconds: 7200,
    },
  };
}

const issueToken = (host: string) =>
  world.ask(
    "POST",
    "/api/v1/namespaces/kube-system/secrets",
    hostTokenSecret({ id: "abcdef", secret: "0123456789abcdef", host, expires: new Date(Date.now() + 3600_000) }),
  );

const read = async (name: string): Promise<CsrObject> => (await world.ask("GET", `${CSRS}/${name}`)).body as CsrObject;
const conditionTypes = async (name: string) => ((await read(name)).status?.conditions ?? []).map(({ type }) => type);

async function certificateOf(name: string): Promise<x509.X509Certificate> {
  await eventually(async () =>
    expect((await read(name)).status?.certificate, JSON.stringify(await read(name))).toBeTruthy(),
  );
  return new x509.X509Certificate(Buffer.from((await read(name)).status!.certificate!, "base64").toString());
}

/** A request that is sent later and has been decided shows that earlier ones were looked at too, and left alone. */
async function untouched(name: string): Promise<void> {
  await world.ask("POST", CSRS, await csr("later", "ferrite:host:z", "ferrite:hosts"));
  await world.ask("PUT", `${CSRS}/later/approval`, {
    ...(await read("later")),
    status: { conditions: [{ type: "Approved", status: "True" }] },
  });
  await certificateOf("later");
  expect(await conditionTypes(name)).toEqual([]);
}

describe("a host", () => {
  it("joins with its one-use token and gets a certificate of its own, for as long as it asked", async () => {
    expect((await issueToken("a")).status).toBe(201);
    expect(
      (await askAs(world.server, TOKEN, "POST", CSRS, await csr("join", "ferrite:host:a", "ferrite:hosts"))).status,
    ).toBe(201);
    const certificate = await certificateOf("join");
    expect(certificate.subjectName.toJSON()).toEqual([{ O: ["ferrite:hosts"] }, { CN: ["ferrite:host:a"] }]);
    expect(await AUTHORITY.signed(certificate.toString("pem"))).toBe(true);
    const hours = (certificate.notAfter.getTime() - Date.now()) / 3600_000;
    expect(hours).toBeGreaterThan(1.9);
    expect(hours).toBeLessThan(2.1);
    expect((await askAs(world.server, TOKEN, "GET", `${CSRS}/join`)).status).toBe(200);
  });

  it("is not let in twice by one token", async () => {
    await issueToken("a");
    await askAs(world.server, TOKEN, "POST", CSRS, await csr("first", "ferrite:host:a", "ferrite:hosts"));
    await certificateOf("first");
    await askAs(world.server, TOKEN, "POST", CSRS, await csr("second", "ferrite:host:a", "ferrite:hosts"));
    await untouched("second");
  });

  it("lets in one of two that race, on two servers", async () => {
    await issueToken("a");
    const sent = await Promise.all(
      ["x", "y"].map(async (name, index) =>
        askAs(
          index === 0 ? world.server : world.second!,
          TOKEN,
          "POST",
          CSRS,
          await csr(name, "ferrite:host:a", "ferrite:hosts"),
        ),
      ),
    );
    expect(sent.map(({ status }) => status)).toEqual([201, 201]);
    await eventually(async () =>
      expect([...(await conditionTypes("x")), ...(await conditionTypes("y"))]).toEqual(["Approved"]),
    );
    const loser = (await conditionTypes("x")).length === 0 ? "x" : "y";
    await untouched(loser);
  });

  it("is left to a person when it asks for another name than its token's", async () => {
    await issueToken("a");
    await askAs(world.server, TOKEN, "POST", CSRS, await csr("other", "ferrite:host:b", "ferrite:hosts"));
    await untouched("other");
  });

  it("renews its own certificate, and no other's", async () => {
    const host = { certificate: { commonName: "ferrite:host:a", organizations: ["ferrite:hosts"] } };
    await askAs(world.server, host, "POST", CSRS, await csr("steal", "ferrite:host:b", "ferrite:hosts"));
    await askAs(world.server, host, "POST", CSRS, await csr("renew", "ferrite:host:a", "ferrite:hosts"));
    expect((await certificateOf("renew")).subject).toContain("ferrite:host:a");
    await untouched("steal");
  });

  it("does not approve itself", async () => {
    await issueToken("a");
    await askAs(world.server, TOKEN, "POST", CSRS, await csr("other", "ferrite:host:b", "ferrite:hosts"));
    const live = await read("other");
    const { status } = await askAs(world.server, TOKEN, "PUT", `${CSRS}/other/approval`, {
      ...live,
      status: { conditions: [{ type: "Approved", status: "True" }] },
    });
    expect(status).toBe(403);
  });
});

describe("a person", () => {
  const approve = async (name: string, type = "Approved") =>
    world.ask("PUT", `${CSRS}/${name}/approval`, {
      ...(await read(name)),
      status: { conditions: [{ type, status: "True", reason: "R", message: "m" }] },
    });

  it("gets a certificate when an administrator says so", async () => {
    await world.ask("POST", CSRS, await csr("alice", "alice", "dev", "kubernetes.io/kube-apiserver-client"));
    expect((await approve("alice")).status).toBe(200);
    expect((await certificateOf("alice")).subjectName.toJSON()).toEqual([{ O: ["dev"] }, { CN: ["alice"] }]);
  });

  it.each([["system:masters"], ["ferrite:hosts"]])("never gets %s, approved or not", async (group) => {
    await world.ask("POST", CSRS, await csr("eve", "eve", group, "kubernetes.io/kube-apiserver-client"));
    await approve("eve");
    await eventually(async () => expect(await conditionTypes("eve")).toContain("Failed"));
    expect((await read("eve")).status?.certificate).toBeUndefined();
  });

  it("gets nothing when refused", async () => {
    await world.ask("POST", CSRS, await csr("bob", "bob", "dev", "kubernetes.io/kube-apiserver-client"));
    await approve("bob", "Denied");
    expect((await approve("bob")).status).toBe(422);
    await world.ask("POST", CSRS, await csr("alice", "alice", "dev", "kubernetes.io/kube-apiserver-client"));
    await approve("alice");
    await certificateOf("alice");
    expect((await read("bob")).status?.certificate).toBeUndefined();
  });
});

it("expired tokens are cleared away", async () => {
  const secret = hostTokenSecret({
    id: "abcdef",
    secret: "0123456789abcdef",
    host: "a",
    expires: new Date(Date.now() + 300),
  });
  await world.ask("POST", "/api/v1/namespaces/kube-system/secrets", secret);
  await eventually(async () =>
    expect((await world.ask("GET", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef")).status).toBe(404),
  );
});
