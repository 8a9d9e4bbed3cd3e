/**
 * Joins the lab's machines to the API on 127.0.0.1:PORT and starts their agents: node hack/lab/join-agents.ts PORT. A machine
 * that has joined before only gets what is newer.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { KubeObject } from "../../machinery/object.ts";
import { joinMachine } from "./agent.ts";
import { Lab } from "./lab.ts";

const STATE = resolve(import.meta.dirname, "../../.ferrite");

async function create(secret: KubeObject): Promise<void> {
  const argv = ["--cache-dir", join(STATE, "kube-cache"), "create", "-f", "-"];
  const made = spawnSync("kubectl", argv, { input: JSON.stringify(secret), encoding: "utf8" });
  if (made.status !== 0) throw new Error(`kubectl could not create a token: ${made.stderr}`);
}

const port = Number(process.argv[2]);
if (!Number.isInteger(port)) throw new Error("usage: node hack/lab/join-agents.ts PORT");
const lab = Lab.attach("default");
const authorityPem = readFileSync(join(STATE, "server/pki/ca.crt"), "utf8");
const options = { server: `https://api:${port}`, authorityPem, timeFactor: lab.timeFactor, create };
await Promise.all(lab.guests.map((guest) => joinMachine(guest, options)));
for (const guest of lab.guests) guest.disconnect();
