import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { identityFiles } from "../../agent/identity.ts";
import { hostTokenSecret } from "../../apiserver/access/tokens/bootstrap-tokens.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Guest } from "./guest.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Below /persist: what a machine's agent needs survives a power cut, as it would on a real disk. */
const INSTALLED = "/persist/ferrite";
const AGENT = `${INSTALLED}/ferrite-agent.mjs`;
const LOG = "/persist/agent.log";
/** A test may put a script there; it runs at every start of the machine, before the agent does. */
export const BEFORE_AGENT = "/persist/before-agent";
const BOOT_SCRIPT = "/persist/boot";
const TOKEN_LIFE_MS = 15 * 60_000;
/** An emulated processor that makes volumes may leave the agent waiting for seconds; that is not a lost machine. */
const LEASE_SECONDS = 12;

/** Of exports and imports. */
const PROGRAMS = ["nbd-device", "nbd-sessions", "iscsi-device", "iscsi-target", "nvme-device", "nvmet-target"];
/** What lies on every host, and where it comes from in the checkout. */
const FILES = {
  "ferrite-agent.mjs": { source: "dist/ferrite-agent.mjs", mode: 0o755 },
  "drbd-helper": { source: "manifests/install/drbd-helper", mode: 0o755 },
  ...Object.fromEntries(PROGRAMS.map((name) => [name, { source: `manifests/install/${name}`, mode: 0o755 }])),
  "lvmlocal.conf": { source: "manifests/install/lvm/lvmlocal.conf", mode: 0o644 },
} as const;

export interface JoinOptions {
  /** URL of the API as the machine sees it. */
  readonly server: string;
  readonly authorityPem: string;
  /** Of the lab: emulated machines are slow, and get more time before they count as lost. */
  readonly timeFactor: number;
  /** Creates the token's Secret, as an administrator does. */
  readonly create: (secret: KubeObject) => Promise<void>;
}

/**
 * Brings the agent of `dist/` to a machine, joins it by a one-use token and starts it; it starts again with the machine. May be
 * repeated: what is there stays, a newer agent replaces the older one, a machine that knows another authority joins anew.
 */
export async function joinMachine(guest: Guest, options: JoinOptions): Promise<void> {
  const leaseSeconds = Math.ceil(LEASE_SECONDS * Math.max(1, options.timeFactor));
  const changed = await install(guest, options.authorityPem, bootScript(guest.address, leaseSeconds));
  const joined = await hasJoined(guest);
  if (!joined) await obtainIdentity(guest, options);
  if (changed || !joined) await stopAgent(guest);
  await startAgent(guest);
}

/** The machine's stand-in for manifests/install/systemd/ferrite-agent.service. Its root forgets, the system disk does not. */
function bootScript(address: string, leaseSeconds: number): string {
  return `#!/bin/sh
install -D -m 755 -t /usr/lib/ferrite ${INSTALLED}/drbd-helper ${INSTALLED}/nbd-* ${INSTALLED}/iscsi-* ${INSTALLED}/nvm*
install -D -m 644 ${INSTALLED}/lvmlocal.conf /etc/lvm/lvmlocal.conf
mkdir -p -m 700 /run/ferrite
[ ! -x ${BEFORE_AGENT} ] || ${BEFORE_AGENT}
while :; do
  ${AGENT} agent --address ${address} --lease-seconds ${leaseSeconds} >>${LOG} 2>&1
  sleep 1
done
`;
}

/** Copies what differs; whether anything did. */
async function install(guest: Guest, authorityPem: string, boot: string): Promise<boolean> {
  await guest.sh(`mkdir -p -m 700 ${INSTALLED}`);
  const wanted = [
    ...Object.entries(FILES).map(([name, { source, mode }]) => ({
      path: `${INSTALLED}/${name}`,
      content: readFileSync(join(ROOT, source)),
      mode,
    })),
    { path: `${INSTALLED}/ca.pem`, content: Buffer.from(authorityPem), mode: 0o644 },
    { path: BOOT_SCRIPT, content: Buffer.from(boot), mode: 0o755 },
  ];
  const there = await guest.exec(["md5sum", ...wanted.map(({ path }) => path)]);
  const differing = wanted.filter(({ path, content }) => !there.stdout.includes(`${md5(content)}  ${path}\n`));
  for (const { path, content, mode } of differing) await guest.putFile(path, content, mode);
  if (differing.length > 0) await guest.sh("sync");
  return differing.length > 0;
}

const md5 = (content: Buffer): string => createHash("md5").update(content).digest("hex");

async function hasJoined(guest: Guest): Promise<boolean> {
  const { kubeconfig, authority } = identityFiles("/var/lib/ferrite");
  const { exitCode } = await guest.exec([
    "sh",
    "-c",
    `test -e ${kubeconfig} && busybox cmp -s ${authority} ${INSTALLED}/ca.pem`,
  ]);
  return exitCode === 0;
}

async function obtainIdentity(guest: Guest, { server, create }: JoinOptions): Promise<void> {
  const [id, secret] = [randomBytes(3).toString("hex"), randomBytes(8).toString("hex")];
  await create(hostTokenSecret({ id, secret, host: guest.name, expires: new Date(Date.now() + TOKEN_LIFE_MS) }));
  const flags = ["--server", server, "--ca-file", `${INSTALLED}/ca.pem`, "--token", `${id}.${secret}`];
  const { exitCode, stdout, stderr } = await guest.exec([AGENT, "join", ...flags], { timeoutMs: 120_000 });
  if (exitCode !== 0) throw new Error(`${guest.name} could not join: ${stderr || stdout}`);
}

/** Nothing happens when it runs. */
export async function startAgent(guest: Guest): Promise<void> {
  const start = `setsid ${BOOT_SCRIPT} </dev/null >/dev/null 2>&1 &`;
  await guest.sh(`pgrep -f '^/bin/sh ${BOOT_SCRIPT}' >/dev/null || { ${start} }`);
}

/** kill -9, as a crash would, and without the restart that would follow; until `startAgent` or the machine's next start. */
export async function stopAgent(guest: Guest): Promise<void> {
  for (const commandLine of [`/bin/sh ${BOOT_SCRIPT}`, `node .*${AGENT} agent `])
    await guest.sh(`pkill -9 -f '^${commandLine}' || true`);
}

export const agentLog = (guest: Guest): Promise<string> => guest.sh(`cat ${LOG}`);
