import type { Executor } from "../command/types.ts";
import { StartError } from "./guest.ts";

/** Throws StartError when the bridge is not there; says which ones are. */
export async function requireBridges(bridges: readonly string[], exec: Executor, signal: AbortSignal): Promise<void> {
  if (bridges.length === 0) return;
  const there = await listBridges(exec, signal);
  const missing = bridges.find((bridge) => !there.includes(bridge));
  if (missing === undefined) return;
  const others = there.length === 0 ? "it has none" : `it has ${there.join(", ")}`;
  throw new StartError("BridgeMissing", `there is no bridge ${missing} on this host: ${others}`);
}

async function listBridges(exec: Executor, signal: AbortSignal): Promise<readonly string[]> {
  const { stdout } = await exec.run(
    { kind: "run", argv: ["ip", "-json", "link", "show", "type", "bridge"], mutates: false },
    signal,
  );
  return parseBridges(stdout);
}

/** Parses `ip -json link show type bridge` (iproute2 6.1), which prints `[{},{},{"ifname":"br0",…}]`, or nothing at all. */
export function parseBridges(stdout: string): readonly string[] {
  if (stdout.trim() === "") return [];
  const parsed: unknown = JSON.parse(stdout);
  if (!Array.isArray(parsed)) throw new TypeError("ip printed no list of links");
  return parsed.flatMap(({ ifname }: { ifname?: unknown }) => (typeof ifname === "string" ? [ifname] : []));
}

/** Puts a guest's end of the wire onto its bridge; may be repeated. */
export async function connectCard(tap: string, bridge: string, exec: Executor, signal: AbortSignal): Promise<void> {
  await exec.run({ kind: "run", argv: ["ip", "link", "set", tap, "master", bridge, "up"], mutates: true }, signal);
}
