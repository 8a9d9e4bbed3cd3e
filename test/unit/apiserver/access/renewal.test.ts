import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ensurePki, type Pki, type PkiOptions } from "../../../../apiserver/access/pki/ensure-pki.ts";
import { keepPkiRenewed } from "../../../../apiserver/access/pki/renewal.ts";
import { startServer } from "../../../../apiserver/server.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { type Clock, systemClock } from "../../../../machinery/clock.ts";
import { silentLogger } from "../../../../machinery/log.ts";

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), "ferrite-renewal-"))));
afterEach(() => rm(directory, { recursive: true }));

const tlsOf = (pki: Pki) => ({
  key: pki.server.keyPem,
  certificate: pki.server.certificatePem,
  clientCa: pki.authority.certificatePem,
});

/** Serial number of the certificate that a new connection is shown, after full verification. */
function serialOn(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

it("a server that outlives its certificate goes on with a new one, without a restart", async () => {
  // The past, so that both certificates are valid for the real clock that TLS goes by.
  let nowMs = Date.now() - 250 * 24 * 3600_000;
  let tick = (): void => {};
  const clock: Clock = {
    ...systemClock,
    now: () => new Date(nowMs),
    schedule(_, callback) {
      tick = callback;
      return () => (tick = () => {});
    },
  };
  const options: PkiOptions = {
    directory: join(directory, "pki"),
    serverNames: ["localhost"],
    serverUrl: "https://localhost:1",
    clock,
  };
  const pki = await ensurePki(options);
  const server = await startServer({
    storage: new MemoryStorage(systemClock),
    listen: { host: "127.0.0.1", port: 0, tls: tlsOf(pki) },
  });
  const port = Number(new URL(server.url).port);
  const onRenewed = vi.fn((renewed: Pki) => server.renewTls(tlsOf(renewed)));
  const stop = keepPkiRenewed({ ...options, log: silentLogger, onRenewed }, pki);
  const before = await serialOn(port, pki.authority.certificatePem);

  nowMs += 12 * 3600_000;
  const first = tick;
  tick();
  await vi.waitFor(() => expect(tick).not.toBe(first));
  expect(onRenewed).not.toHaveBeenCalled();

  nowMs = Date.now();
  tick();
  await vi.waitFor(() => expect(onRenewed).toHaveBeenCalledTimes(1));
  expect(await serialOn(port, pki.authority.certificatePem)).not.toBe(before);
  stop();
  await server.stop();
});
