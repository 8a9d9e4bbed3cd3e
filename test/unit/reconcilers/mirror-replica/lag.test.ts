import { expect, test } from "vitest";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import type { DiskState, Role } from "../../../../executors/drbd/state.ts";
import { updateLag } from "../../../../reconcilers/mirror-replica/lag.ts";

const entry = (...members: string[]) => ({ namespace: "default", name: "m1", uid: "u1", members });

async function lags(parts: {
  readonly members?: readonly string[];
  readonly disk?: DiskState;
  readonly role?: Role;
  readonly bitmapUUID?: string;
  readonly tombstone?: boolean;
}) {
  const { members, disk, role = "Secondary", bitmapUUID, tombstone = false } = parts;
  const done: string[] = [];
  let failed = tombstone;
  const kernel =
    disk === undefined
      ? undefined
      : { name: "m1", role, suspended: [], device: { minor: 1, diskState: disk, sizeBytes: 1 }, connection: undefined };
  const observed: ObservedReplica = {
    configFile: "",
    metadata: "yes",
    holds: "",
    currentUUID: undefined,
    bitmapUUID,
    progress: undefined,
    kernel,
  };
  const behind = await updateLag(
    { uid: "u1", minor: 1, me: "alpha", entry: members && entry(...members), observed },
    {
      lags: async () => failed,
      mark: async () => void done.push("mark"),
      diskFailed: async () => failed,
      clear: async () => void done.push("clear"),
      bury: async () => {
        failed = false;
        done.push("bury");
      },
    },
  );
  return [behind, ...done];
}

const BOTH = ["alpha", "beta"];
const AHEAD = "00112233445566AA";

test.each<[string, Parameters<typeof lags>[0], readonly unknown[]]>([
  ["a member whose disk works lacks nothing", { members: BOTH, disk: "UpToDate" }, [false]],
  ["a member without its disk is marked", { members: BOTH, disk: "Diskless", role: "Primary" }, [true, "mark"]],
  [
    "a member whose disk failed lags although it works again",
    { members: BOTH, disk: "UpToDate", tombstone: true },
    [true],
  ],
  [
    "an only member whose disk failed is believed where DRBD counted what the peer lacked",
    { members: ["alpha"], disk: "Diskless", bitmapUUID: AHEAD, tombstone: true },
    [false, "clear", "bury"],
  ],
  [
    "it is believed before it is attached: the proof does not outlast the peer's resync",
    { members: ["alpha"], disk: "Diskless", role: "Primary", bitmapUUID: AHEAD, tombstone: true },
    [false, "bury"],
  ],
  [
    "an only member whose disk failed is not believed where the peer was in step",
    { members: ["alpha"], disk: "Diskless", tombstone: true },
    [true],
  ],
  [
    "an only member that serves its peer's data lags",
    { members: ["alpha"], disk: "Diskless", role: "Primary" },
    [true],
  ],
  ["an only member that has just come up does not", { members: ["alpha"], disk: "Diskless" }, [false]],
  [
    "a side that is out has nothing to lack",
    { members: ["beta"], disk: "UpToDate", tombstone: true },
    [false, "clear"],
  ],
  ["nor has one before the first generation", { disk: "Inconsistent", tombstone: true }, [false, "bury"]],
  ["but a disk that holds the first generation may", { disk: "UpToDate", tombstone: true }, [false]],
])("%s", async (_name, parts, expected) => {
  expect(await lags(parts)).toEqual(expected);
});
