import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import type { Lab } from "../../hack/lab/lab.ts";

export type StorageHost = "alpha" | "beta";
/** `dsync` waits for stable storage; `direct` is acknowledged without a flush. */
export type Mode = "direct" | "dsync";

/** A write that its writer was told is done, in the order in which the lab's record heard of it. */
export interface Acknowledged {
  readonly host: StorageHost;
  readonly mode: Mode;
  readonly number: number;
  /** Seconds since that host's boot. */
  readonly seconds: number;
}

/** Blocks of 4 KiB that each writer of each host goes round in: four times this is the least size of the device. */
const BLOCKS = 2048;
/** A restarted writer's numbers begin above all of its earlier life. */
const NUMBERS_OF_A_LIFE = 1_000_000;
const programs = (name: string) => readFileSync(join(import.meta.dirname, "guest", name));

/**
 * Writers on both hosts that write wherever the device lets them, and a record outside of both machines of every write that
 * was acknowledged: no power cut and no cut link takes an entry back. `missing` compares it with what a device holds.
 */
export class Writers {
  readonly #lab: Lab;
  readonly #device: string;
  #lives = 0;
  /** Where in the record the writers of a host began: what was open when the power was cut is never closed. */
  readonly #started = new Map<StorageHost, number>();

  constructor(lab: Lab, device: string) {
    this.#lab = lab;
    this.#device = device;
  }

  /** Anew after each power cycle: a machine forgets its programs. */
  async start(host: StorageHost): Promise<void> {
    const guest = this.#lab.guest(host);
    for (const name of ["writer.pl", "reader.pl"]) await guest.putFile(`/run/${name}`, programs(name));
    const first = ++this.#lives * NUMBERS_OF_A_LIFE;
    this.#started.set(host, this.mark());
    await guest.sh(
      `setsid perl /run/writer.pl ${host} ${first} ${this.#device} ${BLOCKS} </dev/null >/run/writer.log 2>&1 &`,
    );
  }

  /** Lets go of the device on that host, so that it can be demoted; comes back once it has. */
  async pause(host: StorageHost): Promise<void> {
    await this.#lab.guest(host).sh("touch /run/writer-pause");
    const open = () => {
      const counts = { open: 0, closed: 0 };
      for (const { host: of, words } of this.#lines().slice(this.#started.get(host)))
        if (of === host && (words[0] === "open" || words[0] === "closed")) counts[words[0]]++;
      return counts.open - counts.closed;
    };
    await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(0), {
      timeout: 60_000 * this.#lab.timeFactor,
      interval: 200,
    });
  }

  async resume(host: StorageHost): Promise<void> {
    await this.#lab.guest(host).sh("rm -f /run/writer-pause");
  }

  /** Everything acknowledged since the lab's start. */
  acknowledged(): readonly Acknowledged[] {
    return this.#lines().flatMap(({ host, seconds, words: [what, mode, number] }) =>
      what === "ack" ? [{ host, seconds, mode: mode as Mode, number: Number(number) }] : [],
    );
  }

  /** How many lines the record has: what comes later is seen by `since`. */
  mark(): number {
    return this.#lines().length;
  }

  /** The hosts on which writes were acknowledged since `mark`, each time that it changed: ["alpha", "beta"] is one handover. */
  hostsSince(mark: number): readonly StorageHost[] {
    const hosts: StorageHost[] = [];
    for (const { host, words } of this.#lines().slice(mark))
      if (words[0] === "ack" && hosts.at(-1) !== host) hosts.push(host);
    return hosts;
  }

  /** Writes that failed since `mark`. */
  errorsSince(mark: number): readonly string[] {
    return this.#lines()
      .slice(mark)
      .flatMap(({ host, words }) => (words[0] === "error" ? [`${host} ${words.join(" ")}`] : []));
  }

  /** Changes of role that the kernel of a host has told since `mark`, e.g. ["Secondary", "Primary"]. */
  rolesSince(mark: number, host: StorageHost): readonly string[] {
    const roles: string[] = [];
    for (const { host: of, words } of this.#lines().slice(mark)) {
      const role = words[2] === "resource" ? /role:(\w+)/.exec(words.join(" "))?.[1] : undefined;
      if (of === host && words[0] === "drbd" && role !== undefined && roles.at(-1) !== role) roles.push(role);
    }
    return roles;
  }

  /** Waits until both writers of `host` had writes acknowledged after this call. */
  async progress(host: StorageHost, timeoutMs = 60_000): Promise<void> {
    const mark = this.mark();
    const modes = () => {
      const seen = this.#lines()
        .slice(mark)
        .filter((line) => line.host === host && line.words[0] === "ack");
      return new Set(seen.map(({ words }) => words[1])).size;
    };
    await vi.waitFor(() => expect(modes(), `${host} is written by both writers`).toBe(2), {
      timeout: timeoutMs * this.#lab.timeFactor,
      interval: 100,
    });
  }

  /** The longest time since `mark` in which nothing was acknowledged on `host`, in seconds, between two writes of one mode. */
  longestPause(mark: number, host: StorageHost, mode: Mode): number {
    return this.#pause(mark, host, mode).seconds;
  }

  /** That pause's end, in seconds since boot. */
  pauseEnd(mark: number, host: StorageHost, mode: Mode): number {
    return this.#pause(mark, host, mode).end;
  }

  /**
   * Acknowledged writes that `device` on `host` does not hold, where no later one took their block; and blocks that no writer
   * wrote. What is acknowledged during the check is not part of it.
   */
  async missing(host: StorageHost, device = this.#device): Promise<readonly string[]> {
    const last = new Map<string, number>();
    for (const { host: by, mode, number } of this.acknowledged()) last.set(`${by} ${mode} ${number % BLOCKS}`, number);
    const command = ["perl", "/run/reader.pl", device, `${BLOCKS}`];
    const { exitCode, stdout, stderr } = await this.#lab.guest(host).exec(command, { timeoutMs: 120_000 });
    if (exitCode !== 0) throw new Error(`${host}: cannot read ${device}: ${stderr}`);
    const found = new Map<string, string>();
    for (const line of stdout.split("\n").filter(Boolean)) {
      const end = line.lastIndexOf(" ");
      found.set(line.slice(0, end), line.slice(end + 1));
    }
    const torn = [...found].flatMap(([slot, number]) => (number === "torn" ? [`${slot}: torn`] : []));
    const lost = [...last].flatMap(([slot, number]) =>
      Number(found.get(slot) ?? 0) < number
        ? [`${slot}: ${number} acknowledged, ${found.get(slot) ?? "nothing"} found`]
        : [],
    );
    return [...torn, ...lost];
  }

  #pause(mark: number, host: StorageHost, mode: Mode): { readonly seconds: number; readonly end: number } {
    let longest = { seconds: 0, end: 0 };
    let before: number | undefined;
    for (const [at, { host: of, seconds, words }] of this.#lines().entries()) {
      if (of !== host || words[0] !== "ack" || words[1] !== mode) continue;
      // From the last write before the mark: what began the pause may have been under way there.
      if (at >= mark && before !== undefined && seconds - before > longest.seconds)
        longest = { seconds: seconds - before, end: seconds };
      before = seconds;
    }
    return longest;
  }

  #lines() {
    return this.#lab
      .record()
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [seconds, host, ...words] = line.split(" ");
        return { seconds: Number(seconds), host: host as StorageHost, words };
      });
  }
}
