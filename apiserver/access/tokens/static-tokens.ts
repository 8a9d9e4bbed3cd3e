import { createHash } from "node:crypto";
import { TerminalError } from "../../../machinery/errors.ts";
import type { User } from "../types.ts";
import { knownUser } from "../users.ts";

const digest = (token: string): string => createHash("sha256").update(token).digest("hex");

/**
 * kube-apiserver's `--token-auth-file`: lines of `token,user,uid[,"group1,group2"]`. Keyed by digest, so that looking one
 * up takes the same time whatever part of it is right. Throws for a line that is not of this form: a typo must not
 * silently lock somebody out.
 */
export function parseTokenFile(text: string, path: string): ReadonlyMap<string, User> {
  const users = new Map<string, User>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [token = "", name = "", uid, groups = "", ...rest] = splitCsv(line.trim());
    if (token === "" || name === "" || uid === undefined || rest.length > 0) {
      throw new TerminalError("BadTokenFile", `${path}:${index + 1}: expected token,user,uid[,"group1,group2"]`);
    }
    const list = groups
      .split(",")
      .map((group) => group.trim())
      .filter((group) => group !== "");
    users.set(digest(token), knownUser(name, list, { uid }));
  }
  return users;
}

export const findStaticToken = (users: ReadonlyMap<string, User>, token: string): User | undefined =>
  users.get(digest(token));

/** Fields between commas; a field in double quotes may hold commas, `""` is a quote. */
function splitCsv(line: string): readonly string[] {
  const fields = line.match(/("(?:[^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  const ended = line.endsWith(",") ? fields : fields.slice(0, -1);
  return ended
    .map((field) => field.replace(/,$/, "").trim())
    .map((field) => (field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field));
}
