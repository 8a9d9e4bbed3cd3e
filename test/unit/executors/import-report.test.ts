import { describe, expect, it } from "vitest";
import { parseDeviceReport } from "../../../executors/import-report.ts";

describe("parseDeviceReport", () => {
  it("reads a connected device and its link", () => {
    const text =
      '{"devices":[{"id":"3","path":"/dev/nbd3","backend":"ferrite/a/b","sizeBytes":512,"connected":true,' +
      '"server":{"address":"10.77.0.11","port":10809}}],"links":[{"name":"m1","target":"/dev/nbd3"}]}';
    const { devices, links } = parseDeviceReport(text);
    expect(devices).toMatchObject([
      { id: "3", path: "/dev/nbd3", connected: true, server: { address: "10.77.0.11", port: 10_809 } },
    ]);
    expect(links).toEqual([{ name: "m1", target: "/dev/nbd3" }]);
  });

  it("takes a device whose record is lost for one without a known server", () => {
    const device = '{"id":"0","path":"/dev/nbd0","backend":"ferrite/a/b","sizeBytes":0,"connected":false}';
    expect(parseDeviceReport(`{"devices":[${device}],"links":[]}`).devices[0]?.server).toBeUndefined();
  });

  it("refuses a device without an identity", () => {
    expect(() => parseDeviceReport('{"devices":[{"id":"0","path":"/dev/nbd0"}],"links":[]}')).toThrow(/backend/);
  });
});
