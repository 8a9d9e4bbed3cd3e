import type { Executor } from "../../command/types.ts";
import type { GuestState, Inspection, Instance } from "../guest.ts";
import { HypervisorError } from "../guest.ts";

/** One domain, as `xl list -v` shows it. */
export interface Domain {
  readonly domid: number;
  /** `undefined`: its name is gone already, or was not given yet. */
  readonly name: string | undefined;
  readonly uuid: string;
  readonly memoryBytes: number;
  readonly isPaused: boolean;
  readonly isDying: boolean;
  /** Why it was shut down; `undefined`: it was not. */
  readonly ended: "poweroff" | "reboot" | "suspend" | "crash" | "watchdog" | "other" | undefined;
  /** Tenths of a second that its processors have run. */
  readonly cpuSeconds: number;
}

/** Xen's own first domain is no guest. */
const DOM0 = 0;
const LINE =
  /^(?<name>.*?) +(?<domid>\d+) +(?<memory>\d+) +\d+ +(?<flags>[r-][b-][p-][s-][-rscw?][d-]) +(?<time>\d+\.\d) +(?<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?: .*)?$/;

/** All of Xen's guests on this machine. */
export async function xenDomains(exec: Executor, signal: AbortSignal): Promise<readonly Domain[]> {
  const { stdout } = await exec.run({ kind: "run", argv: ["xl", "list", "-v"], mutates: false }, signal);
  return parseDomains(stdout);
}

/**
 * Parses `xl list -v` (Xen 4.17): a heading, then a line for each domain: name, number, MiB, processors, six flags
 * (running, blocked, paused, shut down, why, dying), seconds, UUID, and columns that do not matter here. Its JSON (`-l`)
 * has no states. Throws on a line that is none of these.
 */
export function parseDomains(stdout: string): readonly Domain[] {
  const [heading = "", ...lines] = stdout.split("\n");
  if (!/^Name +ID +Mem +VCPUs\s+State\s+Time\(s\) +UUID/.test(heading))
    throw new HypervisorError(`xl list does not begin with its heading: ${JSON.stringify(heading.slice(0, 200))}`);
  return lines
    .filter((line) => line !== "")
    .map(parseDomain)
    .filter(({ domid }) => domid !== DOM0);
}

/** The fifth flag, beside `s`. */
const ENDS: Readonly<Record<string, Domain["ended"]>> = {
  "-": "poweroff",
  r: "reboot",
  s: "suspend",
  c: "crash",
  w: "watchdog",
};

function parseDomain(line: string): Domain {
  const { name = "", domid, memory, flags = "", time, uuid = "" } = LINE.exec(line)?.groups ?? {};
  if (domid === undefined) throw new HypervisorError(`xl list: cannot read the line ${JSON.stringify(line)}`);
  return {
    domid: Number(domid),
    name: name === "" || name === "(null)" ? undefined : name,
    uuid,
    memoryBytes: Number(memory) * 2 ** 20,
    isPaused: flags[2] === "p",
    isDying: flags[5] === "d",
    ended: flags[3] === "s" ? (ENDS[flags[4] ?? ""] ?? "other") : undefined,
    cpuSeconds: Number(time),
  };
}

/** The number is used again after some 32,000 domains, and never with the same UUID at once. */
export const instanceOf = ({ domid, uuid, name }: Domain): Instance => ({ uid: uuid, name, id: `${domid}/${uuid}` });

/**
 * What the flags mean for a guest. `made`: the domain that the agent has made whole for it; `ours`: the agent began to
 * make one. A paused domain of ours that is not whole is what a crash has left of `xl create`, and never ran.
 */
export function inspectionOf(
  { domid, isPaused, isDying, ended, memoryBytes, cpuSeconds }: Domain,
  { made, ours }: { readonly made: number | undefined; readonly ours: boolean },
): Inspection {
  const seen = (state: GuestState, detail?: string): Inspection => ({ state, detail, memoryBytes, accelerated: true });
  if (isDying) return seen("dying");
  // While xl saves or migrates it, or after it failed to: whoever did it knows how it goes on.
  if (ended === "suspend") return seen("paused", "suspended, by xl save or migrate");
  if (ended === "crash" || ended === "watchdog") return seen("crashed", ended);
  if (ended !== undefined) return seen("shuttingDown", ended);
  if (!isPaused) return seen("running");
  if (ours && made !== domid) return seen("crashed", "not made whole");
  return ours && cpuSeconds === 0 ? seen("prepared") : seen("paused", "xl pause");
}
