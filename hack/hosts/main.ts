/**
 * Joins machines over ssh: node hack/hosts/main.ts --server URL --ca-file FILE --debs DIR [--install-packages] NAME=ADDRESS,…
 * Uses the system's ssh, or the program in FERRITE_SSH; creates tokens with kubectl. May be repeated: what is there stays.
 */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { hostTokenSecret } from "../../apiserver/access/tokens/bootstrap-tokens.ts";
import {
  FACTS_SCRIPT,
  PACKAGES,
  parseFacts,
  parseTargets,
  planHost,
  type RemoteStep,
  settingsOf,
  type Target,
} from "./plan.ts";

const TOKEN_LIFE_MS = 15 * 60_000;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string" },
    "ca-file": { type: "string" },
    debs: { type: "string" },
    "install-packages": { type: "boolean", default: false },
  },
});
const { server = "", "ca-file": caFile = "", debs: folder = "" } = values;
const sum = (content: Buffer | string): string => createHash("sha256").update(content).digest("hex");

const authority = readFileSync(caFile);
const debs = PACKAGES.map((name) => {
  const file = readdirSync(folder).find((one) => one.startsWith(`${name}_`) && one.endsWith(".deb"));
  if (file === undefined) throw new Error(`there is no ${name}_*.deb in ${folder}: run hack/package`);
  const content = readFileSync(join(folder, file));
  return { name, content, sum: sum(content) };
});

/** Runs a program; resolves with its stdout, or rejects with what it said. */
async function run(program: string, args: readonly string[], input: Buffer | string): Promise<string> {
  const child = spawn(program, args, { stdio: "pipe" });
  child.stdin.on("error", () => {}); // a program that ends without reading: its exit code says why
  child.stdin.end(input);
  const exit = new Promise<number | null>((resolve, reject) => child.once("close", resolve).once("error", reject));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  if (code !== 0) throw new Error(stderr.trim() || stdout.trim() || `${program} ended with ${code}`);
  return stdout;
}

const quoted = (script: string): string => `'${script.replaceAll("'", `'\\''`)}'`;

/** BatchMode: nobody is there to type a password or to accept a key. */
function onHost({ address }: Target, script: string, input: Buffer | string = ""): Promise<string> {
  const options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"];
  return run(process.env["FERRITE_SSH"] ?? "ssh", [...options, `root@${address}`, `sh -euc ${quoted(script)}`], input);
}

async function makeToken(host: string): Promise<string> {
  const [id, secret] = [randomBytes(3).toString("hex"), randomBytes(8).toString("hex")];
  const object = hostTokenSecret({ id, secret, host, expires: new Date(Date.now() + TOKEN_LIFE_MS) });
  await run(process.env["FERRITE_KUBECTL"] ?? "kubectl", ["create", "-f", "-"], JSON.stringify(object));
  return `${id}.${secret}`;
}

async function inputOf({ input }: RemoteStep, target: Target): Promise<Buffer | string> {
  if (input === undefined) return "";
  if (input.kind === "text") return input.text;
  if (input.kind === "authority") return authority;
  if (input.kind === "token") return makeToken(target.name);
  return debs.find(({ name }) => name === input.name)?.content ?? "";
}

/** Throws with the name of the host and of the step. */
async function joinHost(target: Target): Promise<void> {
  let step = "connect by ssh and look at the machine";
  try {
    const facts = parseFacts(await onHost(target, FACTS_SCRIPT));
    step = "check the machine";
    const settings = settingsOf(target);
    const wanted = {
      server,
      debs,
      authoritySum: sum(authority),
      settings,
      settingsSum: sum(settings),
      installPackages: values["install-packages"],
    };
    for (const each of planHost(target, facts, wanted)) {
      step = each.name;
      process.stderr.write(`${target.name}: ${each.name}\n`);
      await onHost(target, each.script, await inputOf(each, target));
    }
  } catch (error) {
    throw new Error(
      `${target.name} (${target.address}): ${step}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

try {
  const outcomes = await Promise.allSettled(parseTargets(positionals[0] ?? "").map(joinHost));
  for (const outcome of outcomes)
    if (outcome.status === "rejected") {
      process.stderr.write(`error: ${(outcome.reason as Error).message}\n`);
      process.exitCode = 1;
    }
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
