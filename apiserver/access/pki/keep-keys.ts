import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createFile, ensurePrivateDirectory, PkiFileError, readIfPresent } from "./files.ts";

/** What cannot be made anew: without it all hosts and users must join again. */
const KEPT = ["ca.crt", "ca.key", "service-account.key"];

/**
 * Copies the keys that a control plane stands on from one directory to another, mode 0600. What is there and the same
 * is left; what is there and differs is an error, and then nothing is copied. Throws PkiFileError.
 */
export async function copyKeys(from: string, to: string): Promise<void> {
  const contents = await Promise.all(KEPT.map((name) => readIfPresent(join(from, name))));
  const present = await Promise.all(KEPT.map((name) => readIfPresent(join(to, name))));
  for (const [index, name] of KEPT.entries()) {
    if (contents[index] === undefined) throw new PkiFileError(`${join(from, name)} is missing`);
    if (present[index] !== undefined && present[index] !== contents[index]) {
      throw new PkiFileError(
        `${join(to, name)} is there and is another one than ${join(from, name)}: move it away first`,
      );
    }
  }
  await ensurePrivateDirectory(to);
  for (const [index, name] of KEPT.entries()) await createFile(join(to, name), contents[index] ?? "");
}

/** Whether a directory holds keys that `copyKeys` can copy. */
export async function hasKeys(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  return KEPT.every((name) => names.includes(name));
}
