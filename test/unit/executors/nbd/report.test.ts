import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { parseServerReport } from "../../../../executors/nbd/report.ts";
import { ReportError } from "../../../../executors/report-fields.ts";

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
    expect(() => parseServerReport(text)).toThrow(ReportError);
  });
});
