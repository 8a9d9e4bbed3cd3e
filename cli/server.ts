import { readFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { AuditLog } from "../apiserver/access/audit.ts";
import { ensurePki, type Pki, type PkiOptions } from "../apiserver/access/pki/ensure-pki.ts";
import { keepPkiRenewed } from "../apiserver/access/pki/renewal.ts";
import { ownDefinitions } from "../apiserver/own-definitions.ts";
import { startServer } from "../apiserver/server.ts";
import { LocalEtcd } from "../apiserver/storage/etcd/server.ts";
import { EtcdStorage, type EtcdStorageOptions } from "../apiserver/storage/etcd/storage.ts";
import { EtcdUpkeep, type UpkeepOptions } from "../apiserver/storage/etcd/upkeep.ts";
import { systemClock } from "../machinery/clock.ts";
import { createLogger, type Logger } from "../machinery/log.ts";
import { systemRandom } from "../machinery/random.ts";
import { exitSoon, shutDown, type ShutdownStep } from "./shutdown.ts";
import { startOwnControllers } from "./own-controllers.ts";
import { followStoreLife, renewAfterRestore } from "./store-life.ts";

const AUDIT_BYTES = 100 * 2 ** 20;
const AUDIT_BACKUPS = 5;
const ETCD_QUOTA_BYTES = 2 * 2 ** 30;
const SNAPSHOT_INTERVAL_MS = 6 * 3600 * 1000;
const SNAPSHOTS = 8;

interface ServerFlags {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly serverName: readonly string[];
  readonly advertiseAddress?: string;
  readonly etcdEndpoints?: readonly string[];
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdBinary: string;
  readonly newKeys?: boolean;
  readonly controllers: boolean;
  readonly logLevel: string;
}

export function addServerCommand(program: Command): void {
  program
    .command("server")
    .description("serve the Kubernetes API on etcd; without --etcd-endpoints on a local etcd of its own")
    .option(
      "--data-dir <path>",
      "keys, certificates, admin.kubeconfig, the local etcd's data",
      "/var/lib/ferrite/server",
    )
    .addOption(
      new Option("--listen <host:port>", "address to serve on")
        .argParser(parseAddress)
        .default({ host: "127.0.0.1", port: 6443 }, "127.0.0.1:6443"),
    )
    .option("--server-name <name...>", "further names and addresses by which clients reach this server", [])
    .addOption(
      new Option(
        "--advertise-address <ip>",
        "address that tools find in the Service default/kubernetes; default: that of --listen, or of the first network card",
      ).argParser(parseIp),
    )
    .option("--etcd-endpoints <url...>", "an etcd cluster to use: https://10.0.0.1:2379")
    .option("--etcd-ca <file>", "certificate authority of that etcd, PEM")
    .option("--etcd-cert <file>", "client certificate for it, PEM")
    .option("--etcd-key <file>", "key of that certificate, PEM")
    .option("--etcd-binary <path>", "program of the local etcd", process.env["FERRITE_ETCD"] ?? "etcd")
    .option(
      "--new-keys",
      "the keys that the store knows are lost: from now on it is that of the keys in the data directory",
    )
    .option("--no-controllers", "serve the API only: the controllers run elsewhere")
    .option("--log-level <level>", "trace, debug, info, warn, error", "info")
    .action((flags: ServerFlags) => runServer(flags));
}

/** `127.0.0.1:6443`, `[::1]:6443`. */
function parseAddress(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) throw new InvalidArgumentError("must be host:port, such as 0.0.0.0:6443");
  return { host, port: Number(port) };
}

function parseIp(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError("must be an IP address, such as 192.0.2.10");
  return text;
}

/** The address to publish for a server that listens on `host`, an address or a name. */
async function advertised(host: string): Promise<string> {
  if (host !== "0.0.0.0" && host !== "::") return (await lookup(host)).address;
  const cards = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = cards.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  return (outside.find(({ family }) => family === "IPv4") ?? outside[0])?.address ?? "127.0.0.1";
}

/** Runs until SIGTERM or SIGINT; a second one ends it at once. Exits with 1 when something did not end in good order. */
async function runServer(flags: ServerFlags): Promise<void> {
  const log = createLogger({ level: flags.logLevel, name: "server" });
  const stopped = signalled();
  const dataDir = resolve(flags.dataDir);
  const etcd = flags.etcdEndpoints === undefined ? await startEtcd(flags, dataDir, log) : undefined;
  const endpoints = etcd === undefined ? remoteEtcd(flags) : { endpoints: [etcd.endpoint] };
  const storage = new EtcdStorage(endpoints);
  const upkeep = new EtcdUpkeep({ ...endpoints, log, ...(etcd === undefined ? {} : { own: ownEtcd(dataDir) }) });
  upkeep.start();
  const life = {
    storage,
    path: join(dataDir, "store-revision"),
    isOwn: etcd !== undefined,
    clock: systemClock,
    random: systemRandom,
    log,
  };
  const audit = new AuditLog({ path: join(dataDir, "audit.log"), maxBytes: AUDIT_BYTES, backups: AUDIT_BACKUPS, log });
  const steps: ShutdownStep[] = [
    { name: "audit log", stop: () => audit.close(), withinMs: 2000 },
    { name: "etcd upkeep", stop: () => upkeep.stop(), withinMs: 2000 },
    { name: "storage", stop: () => storage.close(), withinMs: 1000 },
    { name: "etcd", stop: async () => etcd?.stop(), withinMs: 8000 },
  ];
  try {
    await renewAfterRestore(life);
    const following = new AbortController();
    const followed = followStoreLife(life, following.signal);
    const stopFollowing = async (): Promise<void> => {
      following.abort();
      await followed;
    };
    steps.unshift({ name: "store's life", stop: stopFollowing, withinMs: 2000 });
    const server = await serve(flags, dataDir, { storage, audit, log });
    steps.unshift(...server.steps);
    log.info({ url: server.url, kubeconfig: join(dataDir, "pki", "admin.kubeconfig") }, "ready");
    log.info({ signal: await stopped }, "stopping");
  } finally {
    const orderly = await shutDown(steps, { clock: systemClock, log });
    log.info({ orderly }, "stopped");
    exitSoon(orderly ? 0 : 1, log);
  }
}

function signalled(): Promise<string> {
  return new Promise((done) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => done(signal));
  });
}

const ownEtcd = (dataDir: string): NonNullable<UpkeepOptions["own"]> => ({
  quotaBytes: ETCD_QUOTA_BYTES,
  snapshots: { dir: join(dataDir, "snapshots"), intervalMs: SNAPSHOT_INTERVAL_MS, keep: SNAPSHOTS },
});

const startEtcd = (flags: ServerFlags, dataDir: string, log: Logger): Promise<LocalEtcd> =>
  LocalEtcd.start({ binary: flags.etcdBinary, dir: join(dataDir, "etcd"), log, quotaBytes: ETCD_QUOTA_BYTES });

function remoteEtcd({ etcdEndpoints = [], etcdCa, etcdCert, etcdKey }: ServerFlags): EtcdStorageOptions {
  if (etcdCa === undefined) return { endpoints: etcdEndpoints };
  const tls = {
    ca: readFileSync(etcdCa),
    ...(etcdCert === undefined ? {} : { certificate: readFileSync(etcdCert) }),
    ...(etcdKey === undefined ? {} : { key: readFileSync(etcdKey) }),
  };
  return { endpoints: etcdEndpoints, tls };
}

const tlsOf = ({ server, authority }: Pki) => ({
  key: server.keyPem,
  certificate: server.certificatePem,
  clientCa: authority.certificatePem,
});

async function serve(
  flags: ServerFlags,
  dataDir: string,
  parts: { readonly storage: EtcdStorage; readonly audit: AuditLog; readonly log: Logger },
): Promise<{ readonly url: string; readonly steps: readonly ShutdownStep[] }> {
  const { host, port } = flags.listen;
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const base = `https://${reachable.includes(":") ? `[${reachable}]` : reachable}`;
  const pkiOptions: PkiOptions = {
    directory: join(dataDir, "pki"),
    serverNames: [...new Set([reachable, "127.0.0.1", "localhost", hostname(), ...flags.serverName])],
    serverUrl: `${base}:${port}`,
    clock: systemClock,
  };
  const pki = await ensurePki(pkiOptions);
  const certificateAuthority = pki.authority.certificatePem;
  const server = await startServer({
    ...parts,
    definitions: ownDefinitions(),
    authority: pki.authority,
    identity: { serviceAccountKeyPem: pki.serviceAccountKeyPem },
    sharedKeys: {
      authorityPem: certificateAuthority,
      serviceAccountKeyPem: pki.serviceAccountKeyPem,
      directory: pkiOptions.directory,
      replace: flags.newKeys === true,
    },
    listen: { host, port, advertise: flags.advertiseAddress ?? (await advertised(host)), tls: tlsOf(pki) },
  });
  const onRenewed = (renewed: Pki): void => server.renewTls(tlsOf(renewed));
  const stopRenewal = keepPkiRenewed({ ...pkiOptions, log: parts.log, onRenewed }, pki);
  const controllers = flags.controllers
    ? startOwnControllers({
        url: `${base}:${new URL(server.url).port || port}`,
        certificateAuthority,
        identity: pki.controllers,
        log: parts.log,
      })
    : undefined;
  return {
    url: server.url,
    steps: [
      { name: "certificate renewal", stop: async () => stopRenewal(), withinMs: 1000 },
      // First those who need the API to give their Lease back.
      { name: "controllers", stop: async () => controllers?.stop(), withinMs: 5000 },
      { name: "API server", stop: () => server.stop(), withinMs: 10_000 },
    ],
  };
}
