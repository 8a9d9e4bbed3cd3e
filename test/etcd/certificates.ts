import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** A CA and what it signs, in PEM; good for a day, for 127.0.0.1. */
export async function makeAuthority(
  name: string,
): Promise<{ readonly ca: string; issue(name: string): Promise<Identity> }> {
  const keys = await newKeys();
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  const authority = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    ...validity,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    ca: authority.toString("pem"),
    async issue(subject) {
      const own = await newKeys();
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${subject}`,
        issuer: authority.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        ...validity,
        signingAlgorithm: ALGORITHM,
        extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
      });
      const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", own.privateKey)).toString("base64");
      return {
        certificate: certificate.toString("pem"),
        key: `-----BEGIN PRIVATE KEY-----\n${key.replaceAll(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`,
      };
    },
  };
}

function newKeys() {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}
