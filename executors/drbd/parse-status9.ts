import { DrbdParseError } from "./parse-events.ts";
import type { DiskState, ResourceState, Role } from "./state.ts";

/** Names of the flags by which DRBD 9 says why I/O is suspended. */
const SUSPENSIONS = ["user", "no-data", "fencing", "quorum"] as const;

interface Status9 {
  readonly name?: unknown;
  readonly role?: unknown;
  readonly devices?: readonly {
    readonly volume: number;
    readonly minor: number;
    readonly "disk-state": string;
    readonly size?: number;
  }[];
  readonly connections?: readonly Connection9[];
  readonly [flag: `suspended-${string}`]: unknown;
}

interface Connection9 {
  readonly "connection-state": string;
  readonly "peer-role"?: string;
  readonly peer_devices?: readonly {
    readonly "replication-state": string;
    readonly "peer-disk-state": string;
    readonly "out-of-sync"?: number;
  }[];
}

/**
 * Parses `drbdsetup status --json --verbose --statistics` of DRBD 9 into the same states as the 8.4 parser: two hosts,
 * one volume. Source of the format: drbdsetup-status(8) and the JSON writer of drbd-utils 9. Throws DrbdParseError for
 * anything else, also for a third host: an arbitration of two must not overlook it.
 */
export function parseStatus9(stdout: string): ReadonlyMap<string, ResourceState> {
  return new Map(readArray(stdout).map((status) => [String(status.name), resource(status)]));
}

function readArray(stdout: string): readonly Status9[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    throw new DrbdParseError("drbdsetup status --json printed no JSON", { cause });
  }
  if (!Array.isArray(parsed)) throw new DrbdParseError("drbdsetup status --json printed no list");
  return parsed as readonly Status9[];
}

function resource(status: Status9): ResourceState {
  const { name, role, devices = [], connections = [] } = status;
  if (typeof name !== "string" || typeof role !== "string")
    throw new DrbdParseError(`status: a resource without name or role: ${JSON.stringify(status).slice(0, 200)}`);
  if (connections.length > 1 || devices.length > 1)
    throw new DrbdParseError(
      `status: ${name} has ${connections.length} peers and ${devices.length} volumes; one of each is managed`,
    );
  const [device] = devices;
  return {
    name,
    role: role as Role,
    suspended: SUSPENSIONS.filter((reason) => status[`suspended-${reason}`] === true),
    connection: connections[0] === undefined ? undefined : connection(connections[0]),
    device:
      device === undefined
        ? undefined
        : {
            minor: device.minor,
            diskState: device["disk-state"] as DiskState,
            sizeBytes: (device.size ?? 0) * 1024,
          },
  };
}

function connection(facts: Connection9): ResourceState["connection"] {
  const peer = facts.peer_devices?.[0];
  return {
    state: facts["connection-state"],
    peerRole: (facts["peer-role"] ?? "Unknown") as Role,
    peerDiskState: (peer?.["peer-disk-state"] ?? "DUnknown") as DiskState,
    replication: peer?.["replication-state"] ?? "Off",
    outOfSyncBytes: (peer?.["out-of-sync"] ?? 0) * 1024,
  };
}
