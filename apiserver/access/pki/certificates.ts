import "reflect-metadata"; // @peculiar/x509 needs it before its first import
import type { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

/** ECDSA on P-256 throughout: small, fast on weak machines, in every TLS library. */
export const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const DAY_MS = 24 * 3600 * 1000;
/** Clocks of hosts may be behind ours at the moment of issue. */
const BACKDATE_MS = 5 * 60 * 1000;

/** A private key and the certificate of its public half; both in PEM. */
export interface KeyAndCertificate {
  readonly keyPem: string;
  readonly certificatePem: string;
}

export interface Subject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export const newKeyPair = (): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);

export async function keyToPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

/** Throws for anything but a P-256 private key in PKCS#8. */
export async function keyFromPem(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = x509.PemConverter.decodeFirst(pem);
  const privateKey = await crypto.subtle.importKey("pkcs8", der, KEY_ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicJwk = { kty, crv, x, y } as webcrypto.JsonWebKey;
  return { privateKey, publicKey: await crypto.subtle.importKey("jwk", publicJwk, KEY_ALGORITHM, true, ["verify"]) };
}

const nameOf = (subject: Subject): x509.JsonName => [
  ...subject.organizations.map((organization) => ({ O: [organization] })),
  { CN: [subject.commonName] },
];

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString("pem")}\n`;

/** A certificate authority for `days`, which signs leaf certificates only. */
export async function selfSignedAuthority(
  keys: webcrypto.CryptoKeyPair,
  commonName: string,
  now: Date,
  days: number,
): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf({ commonName, organizations: [] }),
    keys,
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() + days * DAY_MS),
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pem(certificate);
}

export interface LeafRequest {
  readonly subject: Subject;
  readonly publicKey: webcrypto.CryptoKey | x509.PublicKey;
  readonly use: "server" | "client";
  /** DNS names and IP addresses; servers only. */
  readonly names: readonly string[];
  readonly now: Date;
  readonly lifetimeMs: number;
}

/** The CA as it signs: key in memory, certificate as clients trust it. */
export class CertificateAuthority {
  readonly certificatePem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  constructor(certificatePem: string, key: webcrypto.CryptoKey) {
    this.certificatePem = certificatePem;
    this.#certificate = new x509.X509Certificate(certificatePem);
    this.#key = key;
  }

  get notAfter(): Date {
    return this.#certificate.notAfter;
  }

  /** PEM. Never valid for longer than the CA itself. */
  async issue(request: LeafRequest): Promise<string> {
    const usage = request.use === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
    const wanted = request.now.getTime() + request.lifetimeMs;
    const names = request.names.map(
      (name): x509.JsonGeneralName => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name }),
    );
    const certificate = await x509.X509CertificateGenerator.create({
      subject: nameOf(request.subject),
      issuer: this.#certificate.subjectName,
      publicKey: request.publicKey,
      signingKey: this.#key,
      signingAlgorithm: KEY_ALGORITHM,
      notBefore: new Date(request.now.getTime() - BACKDATE_MS),
      notAfter: new Date(Math.min(wanted, this.notAfter.getTime())),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    });
    return pem(certificate);
  }

  /** Whether the certificate carries our signature, whatever its dates. */
  async signed(certificatePem: string): Promise<boolean> {
    const certificate = new x509.X509Certificate(certificatePem);
    return certificate.verify({ publicKey: this.#certificate, signatureOnly: true });
  }
}

/** What a certificate says; throws for what is not one. */
export function readCertificate(certificatePem: string): {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly names: readonly string[];
  readonly publicKeyDer: Buffer;
} {
  const certificate = new x509.X509Certificate(certificatePem);
  const san = certificate.getExtension(x509.SubjectAlternativeNameExtension);
  return {
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    names: (san?.names.items ?? []).map((name) => name.value),
    publicKeyDer: Buffer.from(certificate.publicKey.rawData),
  };
}

export interface ReadRequest {
  readonly subject: Subject;
  readonly publicKey: x509.PublicKey;
  /** Alternative names asked for; a client certificate has none. */
  readonly hasAlternativeNames: boolean;
  /** Parts of the subject other than CN and O. */
  readonly otherNameParts: readonly string[];
}

/** A PKCS#10 request in PEM whose signature holds. Throws for anything else. */
export async function readSigningRequest(requestPem: string): Promise<ReadRequest> {
  const request = new x509.Pkcs10CertificateRequest(requestPem);
  if (!(await request.verify())) throw new Error("the signature of the certificate request does not hold");
  const parts = request.subjectName.toJSON().flatMap((part) => Object.entries(part));
  const values = (name: string) => parts.filter(([key]) => key === name).flatMap(([, list]) => list);
  const [commonName = "", ...more] = values("CN");
  if (more.length > 0) throw new Error("the certificate request has more than one common name");
  return {
    subject: { commonName, organizations: values("O") },
    publicKey: request.publicKey,
    hasAlternativeNames: request.getExtension(SUBJECT_ALTERNATIVE_NAME) !== null,
    otherNameParts: parts.map(([key]) => key).filter((key) => key !== "CN" && key !== "O"),
  };
}
