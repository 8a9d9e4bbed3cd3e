import { OperatorError } from "../../machinery/errors.ts";
import type { ConnectionState, DeviceState, DiskState, ResourceState, Role } from "./state.ts";

/** DRBD's tools printed something that this code does not know: nothing may be concluded from it. */
export class DrbdParseError extends OperatorError {
  readonly reason = "DrbdUnreadable";
}

/** One line of `drbdsetup events2`: what happened to which object, and its facts. */
export interface DrbdEvent {
  readonly action: "exists" | "create" | "change" | "destroy" | "call" | "response" | "rename";
  /** `resource`, `connection`, `device`, `peer-device`, `helper`; `-` ends the first dump. */
  readonly subject: string;
  readonly facts: Readonly<Record<string, string>>;
}

const ACTIONS = new Set(["exists", "create", "change", "destroy", "call", "response", "rename"]);
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\S+\s+/;

/** Parses one line, with or without `--timestamps`; `undefined` for an empty one. Throws DrbdParseError. */
export function parseEvent(line: string): DrbdEvent | undefined {
  const text = line.replace(TIMESTAMP, "").trim();
  if (text === "") return undefined;
  const [action = "", subject = "", ...pairs] = text.split(" ");
  // `- skipped N`: the kernel dropped events; whoever follows must read everything again.
  if (!ACTIONS.has(action)) throw new DrbdParseError(`events2: unknown line: ${line}`);
  const facts: Record<string, string> = {};
  for (const pair of pairs) {
    const colon = pair.indexOf(":");
    if (colon > 0) facts[pair.slice(0, colon)] = pair.slice(colon + 1);
  }
  return { action: action as DrbdEvent["action"], subject, facts };
}

/**
 * Parses `drbdsetup events2 --now --statistics` into the state of every resource. Throws DrbdParseError when the dump
 * does not end with its end mark: then it was cut, and a resource that is missing may exist.
 */
export function parseEventsDump(stdout: string): ReadonlyMap<string, ResourceState> {
  const events = stdout.split("\n").flatMap((line) => parseEvent(line) ?? []);
  if (events.at(-1)?.subject !== "-") throw new DrbdParseError("events2: the dump was cut before its end mark");
  const resources = new Map<string, ResourceState>();
  const of = (subject: string, name: string) =>
    events.find((event) => event.subject === subject && event.facts.name === name)?.facts;
  for (const { subject, facts } of events) {
    if (subject !== "resource") continue;
    const name = need(facts, "name");
    resources.set(name, {
      name,
      role: need(facts, "role") as Role,
      suspended: suspensions(facts.suspended ?? "no"),
      connection: connection(of("connection", name), of("peer-device", name)),
      device: device(of("device", name)),
    });
  }
  return resources;
}

const suspensions = (text: string): readonly string[] => (text === "no" ? [] : text.split(","));

function connection(
  facts: Readonly<Record<string, string>> | undefined,
  peer: Readonly<Record<string, string>> | undefined,
): ConnectionState | undefined {
  if (facts === undefined) return undefined;
  return {
    state: need(facts, "connection"),
    peerRole: (facts.role ?? "Unknown") as Role,
    peerDiskState: (peer?.["peer-disk"] ?? "DUnknown") as DiskState,
    replication: peer?.replication ?? "Off",
    outOfSyncBytes: Number(peer?.["out-of-sync"] ?? 0) * 1024,
  };
}

function device(facts: Readonly<Record<string, string>> | undefined): DeviceState | undefined {
  if (facts === undefined) return undefined;
  return {
    minor: Number(need(facts, "minor")),
    diskState: need(facts, "disk") as DiskState,
    sizeBytes: Number(facts.size ?? 0) * 1024,
  };
}

function need(facts: Readonly<Record<string, string>>, key: string): string {
  const value = facts[key];
  if (value === undefined) throw new DrbdParseError(`events2: ${key} is missing in ${JSON.stringify(facts)}`);
  return value;
}
