import { describe, expect, it } from "vitest";
import { renderConfig84, renderConfig9, type ResourceConfig } from "../../../../executors/drbd/config.ts";
import { DrbdParseError } from "../../../../executors/drbd/parse-events.ts";
import { parseStatus9 } from "../../../../executors/drbd/parse-status9.ts";

const status = (overrides: object = {}) => ({
  name: "m1",
  "node-id": 0,
  role: "Primary",
  suspended: false,
  "suspended-user": false,
  "suspended-no-data": false,
  "suspended-fencing": false,
  "suspended-quorum": false,
  "write-ordering": "flush",
  devices: [{ volume: 0, minor: 1000, "disk-state": "UpToDate", client: false, quorum: true, size: 131004 }],
  connections: [
    {
      "peer-node-id": 1,
      name: "beta",
      "connection-state": "Connected",
      "peer-role": "Secondary",
      peer_devices: [
        {
          volume: 0,
          "replication-state": "SyncSource",
          "peer-disk-state": "Inconsistent",
          "out-of-sync": 90112,
          "percent-in-sync": 31.3,
        },
      ],
    },
  ],
  ...overrides,
});

describe("parseStatus9", () => {
  it("says the same as the parser of 8.4 says", () => {
    expect(parseStatus9(JSON.stringify([status()])).get("m1")).toEqual({
      name: "m1",
      role: "Primary",
      suspended: [],
      connection: {
        state: "Connected",
        peerRole: "Secondary",
        peerDiskState: "Inconsistent",
        replication: "SyncSource",
        outOfSyncBytes: 90112 * 1024,
      },
      device: { minor: 1000, diskState: "UpToDate", sizeBytes: 131004 * 1024 },
    });
  });
  it("tells every reason for suspended I/O", () => {
    const frozen = status({ "suspended-fencing": true, "suspended-no-data": true });
    expect(parseStatus9(JSON.stringify([frozen])).get("m1")?.suspended).toEqual(["no-data", "fencing"]);
  });
  it.each([
    ["", "cut off"],
    ["{}", "no list"],
    [JSON.stringify([{ name: "m1" }]), "no role"],
  ])("refuses %j", (text) => {
    expect(() => parseStatus9(text)).toThrow(DrbdParseError);
  });
  it("refuses a third host", () => {
    const three = status({ connections: [...status().connections, ...status().connections] });
    expect(() => parseStatus9(JSON.stringify([three]))).toThrow("2 peers");
  });
});

describe("renderConfig9", () => {
  const config: ResourceConfig = {
    name: "m1",
    minor: 1000,
    port: 7900,
    local: { nodeName: "beta", address: "10.77.0.12", disk: "/dev/vg0/m1" },
    peer: { nodeName: "alpha", address: "10.77.0.11", disk: "/dev/vg0/m1" },
    twoPrimaries: false,
    sharedSecret: undefined,
    tuning: {
      resyncRateBytes: undefined,
      activityLogExtents: 1237,
      timeoutMs: 2500,
      connectIntervalMs: 3000,
      pingIntervalMs: 3000,
    },
  };
  it("puts fencing where version 9 wants it, numbers the hosts, and never promotes by itself", () => {
    const net = /net \{([^}]*)\}/.exec(renderConfig9(config))?.[1];
    expect(net).toContain("fencing resource-and-stonith;");
    expect(renderConfig9(config)).toMatch(/on alpha \{[^}]*node-id 0;/);
    expect(renderConfig9(config)).toMatch(/on beta \{[^}]*node-id 1;/);
    expect(renderConfig9(config)).toContain("auto-promote no;");
    expect(/disk \{([^}]*)\}/.exec(renderConfig84(config))?.[1]).toContain("fencing resource-and-stonith;");
  });
});
