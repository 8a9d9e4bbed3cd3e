import type { Executor } from "../../executors/command/types.ts";
import * as commands from "../../executors/drbd/commands.ts";
import { SAFE_SETTINGS } from "../../executors/drbd/config.ts";
import type { ObservedReplica } from "../../executors/drbd/observe.ts";
import { parseShow, type ShownResource } from "../../executors/drbd/parse-show.ts";

/**
 * The settings that the promises rest on, read back from the running kernel: once for each file that was applied, and so
 * at every start of the agent. The note that a file was applied says nothing of what a hand has changed since.
 */
export class SafetySettings {
  /** Digest of the file whose settings were seen in the kernel; by resource. */
  readonly #seen = new Map<string, string>();
  /** Applied anew for their sake, and not seen yet; by resource. */
  readonly #tried = new Set<string>();

  /**
   * What is wrong, in words; empty: nothing, or there is nothing to look at. `again`: the file is to be applied once more, which
   * was not tried yet.
   */
  async look(
    name: string,
    { appliedDigest, kernel }: ObservedReplica,
    exec: Executor,
    signal: AbortSignal,
  ): Promise<{ readonly problems: readonly string[]; readonly again: boolean }> {
    if (kernel?.device === undefined || appliedDigest === undefined || this.#seen.get(name) === appliedDigest)
      return { problems: [], again: false };
    const shown = parseShow((await exec.run(commands.showSettings(name), signal)).stdout).get(name);
    if (shown === undefined) return { problems: [], again: false }; // gone since it was observed
    const problems = differences(shown);
    if (problems.length > 0) return { problems, again: !this.#tried.has(name) };
    this.#tried.delete(name);
    this.#seen.set(name, appliedDigest);
    return { problems, again: false };
  }

  /** The file was applied anew for what `look` said: doing it again would change nothing. */
  tried(name: string): void {
    this.#tried.add(name);
  }
}

/** A section that the kernel does not have (no network while it stands alone, no disk while none is attached) has no wrong setting. */
export function differences(shown: ShownResource): readonly string[] {
  return (["options", "disk", "net"] as const).flatMap((section) =>
    [...SAFE_SETTINGS[section]].flatMap(([key, wanted]) => {
      const value = shown[section].get(key);
      return value === undefined || value === wanted ? [] : [`${section} ${key} is ${value} and must be ${wanted}`];
    }),
  );
}
