import { DrbdParseError } from "./parse-events.ts";

/** One resource as the running kernel has it. Settings by their names in the configuration file, each with its value. */
export interface ShownResource {
  readonly options: Settings;
  readonly net: Settings;
  /** Of its volume. */
  readonly disk: Settings;
  readonly minor: number | undefined;
  /** The device below, by the name it was attached by; `undefined`: nothing is attached. */
  readonly backing: string | undefined;
}

export type Settings = ReadonlyMap<string, string>;

interface Section {
  readonly path: readonly string[];
  readonly settings: Map<string, string>;
}

/**
 * Parses `drbdsetup show [--show-defaults]` (drbd-utils 9.22 with the module 8.4): sections in braces, one `key value;` a
 * line, comments from `#` on. Resources by name. Throws DrbdParseError for anything else.
 */
export function parseShow(stdout: string): ReadonlyMap<string, ShownResource> {
  const resources = new Map<string, ShownResource>();
  for (const [name, sections] of byResource(sections84(stdout))) {
    const at = (pattern: RegExp): Settings =>
      sections.find(({ path }) => pattern.test(path.slice(1).join("/")))?.settings ?? new Map();
    const volume = at(/^_this_host\/volume \d+$/);
    const backing = volume.get("disk");
    const minor = /^minor (\d+)$/.exec(volume.get("device") ?? "")?.[1];
    resources.set(name, {
      options: at(/^options$/),
      net: at(/^net$/),
      disk: at(/^_this_host\/volume \d+\/disk$/),
      minor: minor === undefined ? undefined : Number(minor),
      backing: backing === "none" ? undefined : backing,
    });
  }
  return resources;
}

function byResource(sections: readonly Section[]): ReadonlyMap<string, readonly Section[]> {
  const found = Map.groupBy(sections, ({ path: [head = ""] }) => head);
  return new Map(
    [...found].map(([head, parts]) => {
      const name = /^resource (\S+)$/.exec(head)?.[1];
      if (name === undefined) throw new DrbdParseError(`drbdsetup show: ${JSON.stringify(head)} is no resource`);
      return [name, parts];
    }),
  );
}

function sections84(stdout: string): readonly Section[] {
  const all: Section[] = [];
  const open: Section[] = [];
  for (const raw of stdout.split("\n")) {
    const line = raw.replace(/\s*#.*$/, "").trim();
    const head = /^(\S.*?)\s*\{$/.exec(line)?.[1];
    const [, key, value = ""] = /^(\S+)(?:\s+(.*))?;$/.exec(line) ?? [];
    const current = open.at(-1);
    if (line === "") continue;
    if (head !== undefined) {
      open.push({ path: [...(current?.path ?? []), head], settings: new Map() });
      all.push(...open.slice(-1));
    } else if (line === "}" && current !== undefined) open.pop();
    else if (key !== undefined && current !== undefined) current.settings.set(key, value.replace(/^"(.*)"$/, "$1"));
    else
      throw new DrbdParseError(`drbdsetup show: a line that is neither section nor setting: ${JSON.stringify(line)}`);
  }
  if (open.length > 0) throw new DrbdParseError("drbdsetup show: it ends in the middle of a section");
  return all;
}
