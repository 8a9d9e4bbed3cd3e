import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BrokenLine, type Mutation, MUTATIONS } from "./list.ts";

const LIMIT_MS = 30 * 60_000;
const COPIED = [
  "agent",
  "client",
  "controllers",
  "crds",
  "executors",
  "hack",
  "machinery",
  "reconcilers",
  "test/simulation",
  "package.json",
  "tsconfig.json",
];

/**
 * Breaks the protocol in one line at a time, in a copy of the tree; true when the simulation noticed every one. `only`: of
 * those whose name contains it.
 */
export async function checkMutations(seeds: number, only: string, say: (line: string) => void): Promise<boolean> {
  let missed = 0;
  const chosen = MUTATIONS.filter(({ name }) => name.includes(only));
  for (const mutation of chosen) {
    const found = noticed(mutation, seeds);
    if (found === undefined) missed++;
    say(`| ${mutation.name} | ${found?.seed ?? "missed"} | ${found?.promise ?? ""} |`);
  }
  say(`${chosen.length - missed} of ${chosen.length} mutations noticed within ${seeds} seeds each`);
  return Promise.resolve(missed === 0);
}

/** The first seed that breaks a promise, and which, or that stays stuck: without a mutation none does. A run that does not end, or ends by a crash, proves nothing. */
function noticed(mutation: Mutation, seeds: number): { readonly seed: string; readonly promise: string } | undefined {
  const root = resolve(import.meta.dirname, "../..");
  const copy = mkdtempSync(join(tmpdir(), "ferrite-mutation-"));
  try {
    for (const part of COPIED) cpSync(join(root, part), join(copy, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    mutate(copy, mutation);
    const kinds = mutation.kinds === undefined ? [] : ["--kinds", mutation.kinds];
    const { stdout } = spawnSync(
      process.execPath,
      ["--max-old-space-size=2048", "hack/simulate.ts", "--seeds", String(seeds), "--stop-at-first", ...kinds],
      { cwd: copy, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout: LIMIT_MS },
    );
    const [, seed, promise] = /^seed (\d+): ([a-z]+(?: \d)?): /m.exec(stdout) ?? [];
    return seed === undefined || promise === undefined ? undefined : { seed, promise };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Breaks the lines in a copy of the tree. */
function mutate(copy: string, mutation: Mutation): void {
  for (const line of linesOf(mutation)) writeFileSync(join(copy, line.file), mutated(copy, line));
}

/** The line that it is named after, then those of the rules beside it. */
export const linesOf = (mutation: Mutation): readonly BrokenLine[] => [mutation, ...(mutation.also ?? [])];

/**
 * The file with its line broken. Throws when the line is not there exactly once: a mutation that changes nothing would
 * count as missed, or prove nothing.
 */
export function mutated(root: string, { file, find, replace }: BrokenLine): string {
  const text = readFileSync(join(root, file), "utf8");
  if (text.split(find).length !== 2) throw new RangeError(`a mutation's text is not in ${file} exactly once: ${find}`);
  return text.replace(find, () => replace);
}
