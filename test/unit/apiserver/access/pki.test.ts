import { X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ensurePki, type Pki } from "../../../../apiserver/access/pki/ensure-pki.ts";
import { type Clock, systemClock } from "../../../../machinery/clock.ts";

const directories: string[] = [];
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

async function freshDirectory(): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), "ferrite-pki-"));
  directories.push(base);
  return join(base, "pki");
}

const at = (iso: string): Clock => ({ ...systemClock, now: () => new Date(iso) });

const ensure = (directory: string, more: { clock?: Clock; serverNames?: readonly string[] } = {}): Promise<Pki> =>
  ensurePki({
    directory,
    serverNames: ["localhost", "127.0.0.1", "::1", "a.example"],
    serverUrl: "https://127.0.0.1:6443",
    clock: systemClock,
    ...more,
  });

async function serve(pki: Pki): Promise<number> {
  const server = createServer(
    {
      key: pki.server.keyPem,
      cert: pki.server.certificatePem,
      ca: pki.authority.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_, response) => response.end(),
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.on("secureConnection", (socket: TLSSocket) =>
    socket.write(JSON.stringify(socket.getPeerCertificate().subject)),
  );
  return (server.address() as AddressInfo).port;
}

/** What the server reads off the client's certificate, over real TLS 1.3. */
function handshake(
  port: number,
  pki: Pki,
  client: { keyPem: string; certificatePem: string },
  servername: string,
): Promise<PeerCertificate["subject"]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername,
      ca: pki.authority.certificatePem,
      key: client.keyPem,
      cert: client.certificatePem,
    });
    socket.once("data", (data) => {
      resolve(JSON.parse(data.toString()));
      socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed without a word")));
  });
}

describe("ensurePki", () => {
  it("makes certificates that real TLS takes, with the admin in system:masters", async () => {
    const pki = await ensure(await freshDirectory());
    const port = await serve(pki);
    for (const name of ["localhost", "a.example"]) {
      expect(await handshake(port, pki, pki.admin, name)).toEqual({ O: "system:masters", CN: "ferrite-admin" });
    }
    expect(await handshake(port, pki, pki.controllers, "localhost")).toMatchObject({ O: "ferrite:controllers" });
    await expect(handshake(port, pki, pki.admin, "b.example")).rejects.toThrow(/altnames/);
  });

  it("is refused with a certificate of another authority, or the server's as a client", async () => {
    const pki = await ensure(await freshDirectory());
    const other = await ensure(await freshDirectory());
    const port = await serve(pki);
    await expect(handshake(port, pki, other.admin, "localhost")).rejects.toThrow();
    await expect(handshake(port, pki, pki.server, "localhost")).rejects.toThrow();
  });

  it("is valid for its addresses and its one use, and no authority itself", async () => {
    const pki = await ensure(await freshDirectory());
    const [ca, server, admin] = [pki.authority, pki.server, pki.admin].map(
      ({ certificatePem }) => new X509Certificate(certificatePem),
    );
    expect(server!.checkIssued(ca!) && server!.verify(ca!.publicKey)).toBe(true);
    expect([server!.checkIP("127.0.0.1"), server!.checkIP("::1"), server!.checkIP("127.0.0.2")]).toEqual([
      "127.0.0.1",
      "::1",
      undefined,
    ]);
    expect([ca!.ca, server!.ca, admin!.ca]).toEqual([true, false, false]);
    expect([server!.keyUsage, admin!.keyUsage]).toEqual([["1.3.6.1.5.5.7.3.1"], ["1.3.6.1.5.5.7.3.2"]]);
  });

  it("keeps keys from others and leaves no temporary files", async () => {
    const directory = await freshDirectory();
    await ensure(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const names = await readdir(directory);
    expect(names.toSorted()).toEqual([
      "admin.crt",
      "admin.key",
      "admin.kubeconfig",
      "ca.crt",
      "ca.key",
      "controllers.crt",
      "controllers.key",
      "server.crt",
      "server.key",
      "service-account.key",
    ]);
    for (const name of names) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  });

  it("changes nothing when run again", async () => {
    const directory = await freshDirectory();
    await ensure(directory);
    const before = await contents(directory);
    await ensure(directory);
    expect(await contents(directory)).toEqual(before);
  });

  it("agrees on one authority when two starts race", async () => {
    const directory = await freshDirectory();
    const both = await Promise.all([ensure(directory), ensure(directory)]);
    expect(both[0].authority.certificatePem).toBe(both[1].authority.certificatePem);
    expect(both[0].serviceAccountKeyPem).toBe(both[1].serviceAccountKeyPem);
  });

  it("finishes what was cut after any file", async () => {
    const whole = await freshDirectory();
    await ensure(whole);
    const keys = ["ca.key", "server.key", "admin.key", "controllers.key", "service-account.key"];
    for (const lost of (await readdir(whole)).filter((name) => !keys.includes(name))) {
      const before = await readFile(join(whole, "ca.key"), "utf8");
      await rm(join(whole, lost));
      const pki = await ensure(whole);
      expect(await readFile(join(whole, "ca.key"), "utf8")).toBe(before);
      expect(await handshake(await serve(pki), pki, pki.admin, "localhost")).toMatchObject({ CN: "ferrite-admin" });
    }
  });

  it("renews leaves in the last third of their life, with the same authority", async () => {
    const directory = await freshDirectory();
    const first = await ensure(directory, { clock: at("2026-01-01T00:00:00Z") });
    const later = await ensure(directory, { clock: at("2026-08-01T00:00:00Z") });
    expect(later.server.certificatePem).toBe(first.server.certificatePem);
    const renewed = await ensure(directory, { clock: at("2026-10-01T00:00:00Z") });
    expect(renewed.server.certificatePem).not.toBe(first.server.certificatePem);
    expect(renewed.admin.certificatePem).not.toBe(first.admin.certificatePem);
    expect(renewed.authority.certificatePem).toBe(first.authority.certificatePem);
    const kubeconfig = parse(await readFile(renewed.adminKubeconfigPath, "utf8"));
    expect(Buffer.from(kubeconfig.users[0].user["client-certificate-data"], "base64").toString()).toBe(
      renewed.admin.certificatePem,
    );
  });

  it("reissues the server's certificate when it gets another name", async () => {
    const directory = await freshDirectory();
    await ensure(directory);
    const pki = await ensure(directory, { serverNames: ["localhost", "new.example"] });
    expect(await handshake(await serve(pki), pki, pki.admin, "new.example")).toMatchObject({ CN: "ferrite-admin" });
  });

  it.each(["ca.key", "ca.crt", "server.key", "server.crt", "service-account.key"])(
    "never overwrites %s when it is damaged",
    async (name) => {
      const directory = await freshDirectory();
      await ensure(directory);
      const path = join(directory, name);
      const half = (await readFile(path, "utf8")).slice(0, 60);
      await writeFile(path, half);
      await expect(ensure(directory)).rejects.toThrow(path);
      expect(await readFile(path, "utf8")).toBe(half);
    },
  );

  it("refuses a CA certificate without its key, or with another's", async () => {
    const directory = await freshDirectory();
    const other = await freshDirectory();
    await ensure(directory);
    await ensure(other);
    await writeFile(join(directory, "ca.key"), await readFile(join(other, "ca.key")));
    await expect(ensure(directory)).rejects.toThrow(/does not belong to/);
    await rm(join(directory, "ca.key"));
    await expect(ensure(directory)).rejects.toThrow(/ca.key is not/);
    expect(await readdir(directory)).not.toContain("ca.key");
  });

  it("closes a directory that others could read", async () => {
    const directory = await freshDirectory();
    await ensure(directory);
    await chmod(directory, 0o755);
    await ensure(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });
});

async function contents(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), "utf8")] as const)),
  );
}
