import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { NbdReportError, parseDeviceReport, parseServerReport } from "../../../../executors/nbd/report.ts";

const fixture = (name: string) => {
  const path = new URL(`../../../fixtures/nbd/3.24/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { stdout: string }).stdout;
};

describe("parseServerReport", () => {
  it("reads a server with a session", () => {
    const { listener, exports, sessions } = parseServerReport(fixture("nbd-sessions-list"));
    expect({ listener, exports }).toEqual({ listener: "current", exports: ["m1"] });
    expect(sessions).toMatchObject([{ key: "m1", address: "10.77.0.13", mode: "rw" }]);
  });

  test.each([
    "",
    "[]",
    "{}",
    '{"listener":"current"',
    '{"listener":"odd","uptimeSeconds":1,"exports":[],"sessions":[]}',
  ])("is an error for %j, not an empty server", (text) => {
    expect(() => parseServerReport(text)).toThrow(NbdReportError);
  });
});

describe("parseDeviceReport", () => {
  it("reads a connected device and its link", () => {
    const text =
      '{"devices":[{"index":3,"backend":"ferrite/a/b","sizeBytes":512,"readOnly":false,"connected":true,' +
      '"server":{"address":"10.77.0.11","port":10809}}],"links":[{"name":"m1","target":"/dev/nbd3"}]}';
    const { devices, links } = parseDeviceReport(text);
    expect(devices).toMatchObject([{ index: 3, connected: true, server: { address: "10.77.0.11", port: 10_809 } }]);
    expect(links).toEqual([{ name: "m1", target: "/dev/nbd3" }]);
  });

  it("takes a device whose record is lost for one without a known server", () => {
    const device = '{"index":0,"backend":"ferrite/a/b","sizeBytes":0,"readOnly":true,"connected":false}';
    expect(parseDeviceReport(`{"devices":[${device}],"links":[]}`).devices[0]?.server).toBeUndefined();
  });

  it("refuses a device without an identity", () => {
    expect(() => parseDeviceReport('{"devices":[{"index":0}],"links":[]}')).toThrow(/backend/);
  });
});
