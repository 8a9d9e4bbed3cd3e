import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../../../machinery/clock.ts";
import { MASTERS_GROUP } from "../rbac/authorizer.ts";
import {
  CertificateAuthority,
  type KeyAndCertificate,
  keyFromPem,
  keyToPem,
  newKeyPair,
  readCertificate,
  type Subject,
  selfSignedAuthority,
} from "./certificates.ts";
import { createFile, ensurePrivateDirectory, PkiFileError, readIfPresent, replaceFile } from "./files.ts";
import { renderKubeconfig } from "./kubeconfig.ts";

const CA_DAYS = 3650;
const LEAF_LIFETIME_MS = 365 * 24 * 3600 * 1000;
/** A leaf is renewed when less than this part of its life is left. */
const RENEW_FRACTION = 1 / 3;

export interface PkiOptions {
  /** Made with mode 0700; holds ca, server, admin, controllers, service-account (`.key`, `.crt`) and admin.kubeconfig. */
  readonly directory: string;
  /** DNS names and IP addresses by which clients reach this server. */
  readonly serverNames: readonly string[];
  /** For the kubeconfigs: `https://127.0.0.1:6443`. */
  readonly serverUrl: string;
  readonly clock: Clock;
}

export interface Pki {
  readonly authority: CertificateAuthority;
  readonly server: KeyAndCertificate;
  /** O=system:masters. */
  readonly admin: KeyAndCertificate;
  /** O=ferrite:controllers: for the controllers in this process. */
  readonly controllers: KeyAndCertificate;
  /** PKCS#8; signs ServiceAccount tokens. */
  readonly serviceAccountKeyPem: string;
  readonly adminKubeconfigPath: string;
}

/**
 * Reads the keys and certificates of a server, and makes those that are missing or about to expire. May be cut at any
 * point and run again, and run again while the server is up (renewal). The CA and the token key are made once and never
 * replaced: a file that is there but unusable, or a CA certificate without its key, is an error (PkiFileError).
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  await ensurePrivateDirectory(options.directory);
  const authority = await ensureAuthority(options);
  const leaf = (name: string, subject: Subject, names?: readonly string[]) =>
    ensureLeaf(options, authority, {
      name,
      subject,
      names: names ?? [],
      use: names === undefined ? "client" : "server",
    });
  const server = await leaf("server", { commonName: "ferrite-server", organizations: [] }, options.serverNames);
  const admin = await leaf("admin", { commonName: "ferrite-admin", organizations: [MASTERS_GROUP] });
  const controllers = await leaf("controllers", {
    commonName: "ferrite-controllers",
    organizations: ["ferrite:controllers"],
  });
  const serviceAccountKeyPem = await ensureKey(join(options.directory, "service-account.key"));
  const adminKubeconfigPath = await ensureAdminKubeconfig(options, authority, admin);
  return { authority, server, admin, controllers, serviceAccountKeyPem, adminKubeconfigPath };
}

/** The key first: a crash before the certificate is written leaves a key that the next run makes one for. */
async function ensureAuthority(options: PkiOptions): Promise<CertificateAuthority> {
  const [keyPath, certificatePath] = [join(options.directory, "ca.key"), join(options.directory, "ca.crt")];
  if ((await readIfPresent(certificatePath)) !== undefined && (await readIfPresent(keyPath)) === undefined) {
    throw new PkiFileError(
      `${certificatePath} is there but ${keyPath} is not: put the key back, or move both away to start anew`,
    );
  }
  const keys = await usable(keyPath, keyFromPem(await ensureKey(keyPath)));
  let certificatePem = await readIfPresent(certificatePath);
  if (certificatePem === undefined) {
    const made = await selfSignedAuthority(keys, "ferrite-ca", options.clock.now(), CA_DAYS);
    certificatePem = (await createFile(certificatePath, made))
      ? made
      : ((await readIfPresent(certificatePath)) ?? made);
  }
  const authority = await usable(
    certificatePath,
    Promise.resolve().then(() => new CertificateAuthority(certificatePem, keys.privateKey)),
  );
  await demandPair(certificatePath, certificatePem, keyPath, await keyToPem(keys.privateKey));
  return authority;
}

async function ensureKey(path: string): Promise<string> {
  const found = await readIfPresent(path);
  if (found !== undefined) {
    await usable(path, keyFromPem(found));
    return found;
  }
  const made = await keyToPem((await newKeyPair()).privateKey);
  if (await createFile(path, made)) return made;
  return ensureKey(path);
}

interface Leaf {
  readonly name: string;
  readonly subject: Subject;
  readonly names: readonly string[];
  readonly use: "server" | "client";
}

async function ensureLeaf(
  options: PkiOptions,
  authority: CertificateAuthority,
  leaf: Leaf,
): Promise<KeyAndCertificate> {
  const keyPath = join(options.directory, `${leaf.name}.key`);
  const certificatePath = join(options.directory, `${leaf.name}.crt`);
  const keyPem = await ensureKey(keyPath);
  const found = await readIfPresent(certificatePath);
  if (found !== undefined && (await isGood(options, authority, leaf, certificatePath, found))) {
    await demandPair(certificatePath, found, keyPath, keyPem);
    return { keyPem, certificatePem: found };
  }
  const { publicKey } = await keyFromPem(keyPem);
  const now = options.clock.now();
  const certificatePem = await authority.issue({ ...leaf, publicKey, now, lifetimeMs: LEAF_LIFETIME_MS });
  await replaceFile(certificatePath, certificatePem);
  return { keyPem, certificatePem };
}

/** Whether a certificate can go on serving: ours, with all names, and enough of its life left. */
async function isGood(
  options: PkiOptions,
  authority: CertificateAuthority,
  leaf: Leaf,
  path: string,
  certificatePem: string,
): Promise<boolean> {
  const { notBefore, notAfter, names } = await usable(
    path,
    Promise.resolve().then(() => readCertificate(certificatePem)),
  );
  const leftMs = notAfter.getTime() - options.clock.now().getTime();
  if (leftMs < (notAfter.getTime() - notBefore.getTime()) * RENEW_FRACTION) return false;
  return leaf.names.every((name) => names.includes(name)) && authority.signed(certificatePem);
}

async function ensureAdminKubeconfig(
  options: PkiOptions,
  authority: CertificateAuthority,
  admin: KeyAndCertificate,
): Promise<string> {
  const path = join(options.directory, "admin.kubeconfig");
  const content = renderKubeconfig({
    cluster: "ferrite",
    user: "ferrite-admin",
    server: options.serverUrl,
    caPem: authority.certificatePem,
    credentials: admin,
  });
  if ((await readIfPresent(path)) !== content) await replaceFile(path, content);
  return path;
}

async function usable<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof PkiFileError) throw error;
    throw new PkiFileError(`${path} does not hold what it should (PEM, ECDSA P-256); mend it or move it away by hand`, {
      cause: error,
    });
  }
}

/** A certificate next to somebody else's key would fail at the first handshake, with a worse message. */
async function demandPair(
  certificatePath: string,
  certificatePem: string,
  keyPath: string,
  keyPem: string,
): Promise<void> {
  const ofKey = createPublicKey(keyPem).export({ type: "spki", format: "der" });
  const { publicKeyDer } = await usable(
    certificatePath,
    Promise.resolve().then(() => readCertificate(certificatePem)),
  );
  if (!ofKey.equals(publicKeyDer)) throw new PkiFileError(`${certificatePath} does not belong to ${keyPath}`);
}
