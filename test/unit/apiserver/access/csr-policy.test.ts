import "reflect-metadata"; // before @peculiar/x509
import * as x509 from "@peculiar/x509";
import { describe, expect, it, test } from "vitest";
import {
  type Approval,
  decideHostApproval,
  hostOfUser,
  whyUnsignable,
} from "../../../../apiserver/access/csr-policy.ts";
import { KEY_ALGORITHM, newKeyPair, readSigningRequest } from "../../../../apiserver/access/pki/certificates.ts";
import type { BootstrapToken } from "../../../../apiserver/access/tokens/bootstrap-tokens.ts";
import type { CsrObject } from "../../../../apiserver/builtin/kinds/certificate-signing-request.ts";

const keys = await newKeyPair();

async function pem(name: x509.JsonName, extensions: x509.Extension[] = []): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions,
  });
  return request.toString("pem");
}

const host = (name = "ferrite:host:a", organization = "ferrite:hosts") => pem([{ O: [organization] }, { CN: [name] }]);

const csr = (spec: Partial<CsrObject["spec"]> = {}): CsrObject => ({
  apiVersion: "certificates.k8s.io/v1",
  kind: "CertificateSigningRequest",
  metadata: { name: "c", uid: "uid-c" },
  spec: {
    request: "",
    signerName: "ferrite.dev/host",
    usages: ["client auth"],
    username: "system:bootstrap:abcdef",
    groups: ["system:bootstrappers", "system:bootstrappers:ferrite:hosts", "system:authenticated"],
    ...spec,
  },
});

const token = (more: Partial<BootstrapToken> = {}): BootstrapToken => ({
  id: "abcdef",
  secret: "x",
  host: "a",
  expires: undefined,
  groups: [],
  usedBy: undefined,
  ...more,
});

describe("readSigningRequest", () => {
  it("refuses rubbish, and a request whose signature does not hold", async () => {
    await expect(readSigningRequest("rubbish")).rejects.toThrow();
    const good = await host();
    const der = Buffer.from(x509.PemConverter.decodeFirst(good));
    der[der.indexOf("ferrite:host:a")]! ^= 1;
    await expect(readSigningRequest(x509.PemConverter.encode(der, "CERTIFICATE REQUEST"))).rejects.toThrow();
  });

  it("refuses two common names: one would be checked and the other believed", async () => {
    await expect(
      readSigningRequest(await pem([{ CN: ["ferrite:host:a"] }, { CN: ["ferrite:host:b"] }])),
    ).rejects.toThrow(/more than one/);
  });
});

describe("whyUnsignable", () => {
  const why = async (request: string, spec: Partial<CsrObject["spec"]> = {}) =>
    whyUnsignable(csr(spec), await readSigningRequest(request));
  const client = { signerName: "kubernetes.io/kube-apiserver-client" };

  it("signs a host, and a person", async () => {
    expect(await why(await host())).toBeUndefined();
    expect(await why(await pem([{ O: ["dev"] }, { CN: ["alice"] }]), client)).toBeUndefined();
  });

  test.each<[string, () => Promise<string>, Partial<CsrObject["spec"]>, RegExp]>([
    ["server certificates", () => host(), { usages: ["server auth", "client auth"] }, /usages/],
    ["no client certificates", () => host(), { usages: ["digital signature"] }, /client auth/],
    ["another name", () => host("alice"), {}, /CN must be/],
    ["a name that is no host", () => host("ferrite:host:A_b"), {}, /CN must be/],
    ["another group", () => host("ferrite:host:a", "system:masters"), {}, /O must be/],
    [
      "a second group",
      () => pem([{ O: ["ferrite:hosts"] }, { O: ["system:masters"] }, { CN: ["ferrite:host:a"] }]),
      {},
      /O must be/,
    ],
    ["more name parts", () => pem([{ O: ["ferrite:hosts"] }, { OU: ["x"] }, { CN: ["ferrite:host:a"] }]), {}, /not OU/],
    [
      "alternative names",
      () =>
        pem(
          [{ O: ["ferrite:hosts"] }, { CN: ["ferrite:host:a"] }],
          [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "x" }])],
        ),
      {},
      /alternative names/,
    ],
    ["masters as a person", () => pem([{ O: ["system:masters"] }, { CN: ["eve"] }]), client, /never signed/],
    ["hosts as a person", () => host(), client, /ferrite.dev\/host only/],
    ["nobody", () => pem([{ O: ["dev"] }]), client, /no common name/],
  ])("refuses %s", async (_, request, spec, text) => {
    expect(await why(await request(), spec)).toMatch(text);
  });
});

describe("decideHostApproval", () => {
  const decide = async (
    spec: Partial<CsrObject["spec"]>,
    given: BootstrapToken | undefined,
    name?: string,
  ): Promise<Approval> => decideHostApproval(csr(spec), await readSigningRequest(await host(name)), given);

  it("lets a host in with its own token, and again for the same request", async () => {
    expect(await decide({}, token())).toMatchObject({ approve: true });
    expect(await decide({}, token({ usedBy: "uid-c" }))).toMatchObject({ approve: true });
  });

  it("lets a host renew", async () => {
    expect(await decide({ username: "ferrite:host:a", groups: ["ferrite:hosts"] }, undefined)).toMatchObject({
      approve: true,
    });
  });

  test.each<[string, Partial<CsrObject["spec"]>, BootstrapToken | undefined, string | undefined]>([
    ["for another host than the token's", {}, token(), "ferrite:host:b"],
    ["with a token used by another request", {}, token({ usedBy: "uid-other" }), undefined],
    ["with a token that is gone", {}, undefined, undefined],
    ["with somebody else's token", {}, token({ id: "ghijkl" }), undefined],
    ["with a token that names no host", {}, token({ host: undefined }), undefined],
    [
      "with a token for other purposes",
      { groups: ["system:bootstrappers", "system:authenticated"] },
      token(),
      undefined,
    ],
    ["by a person", { username: "alice", groups: ["system:authenticated"] }, token(), undefined],
    ["by another host", { username: "ferrite:host:b", groups: ["ferrite:hosts"] }, undefined, undefined],
    [
      "by a person who calls himself a host",
      { username: "ferrite:host:a", groups: ["system:authenticated"] },
      token(),
      undefined,
    ],
  ])("is asked %s: leaves it to a person", async (_, spec, given, name) => {
    expect(await decide(spec, given, name)).toMatchObject({ approve: false });
  });
});

test.each([
  ["ferrite:host:a", "a"],
  ["ferrite:host:a-1", "a-1"],
  ["ferrite:host:", undefined],
  ["ferrite:host:a/b", undefined],
  ["ferrite:host:-a", undefined],
  ["host:a", undefined],
  [`ferrite:host:${"a".repeat(41)}`, undefined],
])("the host of %s is %s", (name, expected) => {
  expect(hostOfUser(name)).toBe(expected);
});
