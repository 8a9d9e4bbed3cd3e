import { stripVTControlCharacters } from "node:util";
import type { Executor } from "../command/types.ts";

const TAIL_LINES = 8;

/** The last lines of what a guest wrote on its console, as plain text; empty when there is no such file. */
export async function logTail(path: string, exec: Executor, signal: AbortSignal): Promise<string> {
  const { stdout } = await exec.run(
    { kind: "run", argv: ["sh", "-c", 'test ! -e "$1" || tail -c 4096 "$1"', "sh", path], mutates: false },
    signal,
  );
  const printable = stripVTControlCharacters(stdout).replace(/[^\n\x20-\x7e]/g, "");
  return printable
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-TAIL_LINES)
    .join("\n");
}
