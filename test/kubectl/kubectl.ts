import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const PATH = `${process.env["PATH"] ?? ""}${delimiter}/usr/lib/google-cloud-sdk/bin${delimiter}${join(process.env["HOME"] ?? "/root", ".cache/ferrite/kubectl-trixie/usr/bin")}`;

/**
 * `FERRITE_KUBECTL`, else kubectl 1.32 where it is there under that name: some machines' plain kubectl picks another
 * version by the server's.
 */
const PROGRAM = [process.env["FERRITE_KUBECTL"] ?? "kubectl.1.32", "kubectl"].find(
  (name) => spawnSync(name, ["version", "--client"], { env: { PATH } }).status === 0,
);

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real kubectl with a home of its own. */
export class Kubectl {
  readonly #env: Record<string, string>;

  constructor(kubeconfig: string, more: Readonly<Record<string, string>> = {}) {
    if (PROGRAM === undefined) throw new Error("no kubectl on this machine: run hack/prepare kubectl");
    this.#env = { PATH, KUBECONFIG: kubeconfig, HOME: mkdtempSync(join(tmpdir(), "ferrite-home-")), ...more };
  }

  /** Runs one command to its end. `stdin` goes with `-f -`. */
  async run(argv: readonly string[], stdin?: string): Promise<Result> {
    const child = this.start(argv);
    child.stdin?.end(stdin ?? "");
    const output = { stdout: "", stderr: "" };
    child.stdout?.on("data", (text: Buffer) => (output.stdout += text.toString()));
    child.stderr?.on("data", (text: Buffer) => (output.stderr += text.toString()));
    await once(child, "close");
    return { ...output, code: child.exitCode };
  }

  /** What a command printed; throws when it failed. */
  async ok(argv: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, stdin);
    if (code !== 0) throw new Error(`kubectl ${argv.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** What a command that must fail said. */
  async fails(argv: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, stdin);
    if (code === 0) throw new Error(`kubectl ${argv.join(" ")} should have failed but printed:\n${stdout}`);
    return stderr.trim();
  }

  async json<T>(argv: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok([...argv, "-o", "json"])) as T;
  }

  /** For commands that run until they are killed. */
  start(argv: readonly string[]): ChildProcess {
    return spawn(PROGRAM ?? "kubectl", argv, { env: this.#env });
  }

  /** Runs a watch until `enough` says so, then ends it; returns all lines. */
  async watch(argv: readonly string[], enough: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    const child = this.start(argv);
    let text = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (enough(text.split("\n").slice(0, -1))) resolve();
      });
      child.once("exit", (code) => reject(new Error(`kubectl ${argv.join(" ")} ended with ${code}:\n${text}`)));
    });
    child.removeAllListeners("exit");
    child.kill();
    return text.split("\n").slice(0, -1);
  }
}

/** Words of each line of a table. */
export const cells = (table: string): string[][] =>
  table
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));
