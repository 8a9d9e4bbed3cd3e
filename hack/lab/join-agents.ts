/**
 * Joins the lab's machines to the API on 127.0.0.1:PORT and starts their agents: node hack/lab/join-agents.ts PORT. The agent is on
 * the machine's system disk and starts again with the machine. A machine that has joined before only gets the new agent.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { identityFiles } from "../../agent/identity.ts";
import { hostTokenSecret } from "../../apiserver/access/tokens/bootstrap-tokens.ts";
import type { Guest } from "./guest.ts";
import { Lab } from "./lab.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TOKEN_LIFE_MS = 15 * 60_000;
const AGENT = "/persist/agent/ferrite-agent.mjs";

/** Runs at every start of the machine; the root forgets, the system disk does not. */
const bootScript = (address: string) => `#!/bin/sh
install -D -m 755 /persist/agent/drbd-helper /usr/lib/ferrite/drbd-helper
install -D -m 644 /persist/agent/lvmlocal.conf /etc/lvm/lvmlocal.conf
mkdir -p -m 700 /run/ferrite
while :; do
  node ${AGENT} agent --address ${address} >>/persist/agent/log 2>&1
  sleep 1
done
`;

/** `id.secret`, good for one join of that host. */
function makeToken(host: string): string {
  const [id, secret] = [randomBytes(3).toString("hex"), randomBytes(8).toString("hex")];
  const object = hostTokenSecret({ id, secret, host, expires: new Date(Date.now() + TOKEN_LIFE_MS) });
  const made = spawnSync("kubectl", ["create", "-f", "-"], { input: JSON.stringify(object), encoding: "utf8" });
  if (made.status !== 0) throw new Error(`kubectl could not create ${host}'s token: ${made.stderr}`);
  return `${id}.${secret}`;
}

async function install(guest: Guest): Promise<void> {
  await guest.sh("mkdir -p -m 700 /persist/agent");
  const files = {
    "ferrite-agent.mjs": "dist/ferrite-agent.mjs",
    "ca.crt": ".ferrite/server/pki/ca.crt",
    "drbd-helper": "manifests/install/drbd-helper",
    "lvmlocal.conf": "manifests/install/lvm/lvmlocal.conf",
  };
  for (const [name, source] of Object.entries(files)) {
    await guest.putFile(`/persist/agent/${name}`, readFileSync(join(ROOT, source)));
  }
  await guest.putFile("/persist/boot", bootScript(guest.address), 0o755);
}

async function joinAndStart(guest: Guest, port: number): Promise<void> {
  await install(guest);
  if ((await guest.exec(["test", "-e", identityFiles("/var/lib/ferrite").kubeconfig])).exitCode !== 0) {
    const server = ["--server", `https://api:${port}`, "--ca-file", "/persist/agent/ca.crt"];
    const argv = ["node", AGENT, "join", ...server, "--host-name", guest.name, "--token", makeToken(guest.name)];
    const { exitCode, stdout, stderr } = await guest.exec(argv, { timeoutMs: 120_000 });
    if (exitCode !== 0) throw new Error(`${guest.name} could not join: ${stderr || stdout}`);
  }
  // The loop of an earlier start goes on with the new agent.
  await guest.sh("pkill -f '^node /persist/agent' || true; sync");
  await guest.sh("pgrep -f '^/bin/sh /persist/boot' || setsid /persist/boot </dev/null >/dev/null 2>&1 &");
  process.stderr.write(`${guest.name}: its agent runs\n`);
}

const port = Number(process.argv[2]);
if (!Number.isInteger(port)) throw new Error("usage: node hack/lab/join-agents.ts PORT");
for (const guest of Lab.attach("default").guests) await joinAndStart(guest, port);
