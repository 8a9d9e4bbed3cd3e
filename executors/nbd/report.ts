import { field, isNumber, isText, oneOf, parseReport, records, texts } from "../report-fields.ts";

/** What `nbd-sessions list` tells of the serving side. */
export interface ServerReport {
  /** `outdated`: nbd-server runs with another configuration than the one on disk. */
  readonly listener: "none" | "outdated" | "current";
  readonly uptimeSeconds: number;
  /** Keys of the exports that are configured. */
  readonly exports: readonly string[];
  readonly sessions: readonly Session[];
}

/** A process that serves one client. */
export interface Session {
  readonly key: string;
  readonly pid: number;
  readonly address: string;
  readonly port: number;
  readonly mode: "rw" | "ro";
  /** Unix time. */
  readonly sinceSeconds: number;
}

export function parseServerReport(text: string): ServerReport {
  const report = parseReport(text);
  return {
    listener: field(report, "listener", oneOf("none", "outdated", "current")),
    uptimeSeconds: field(report, "uptimeSeconds", isNumber),
    exports: texts(report, "exports"),
    sessions: records(report, "sessions").map((session) => ({
      key: field(session, "key", isText),
      pid: field(session, "pid", isNumber),
      address: field(session, "address", isText),
      port: field(session, "port", isNumber),
      mode: field(session, "mode", oneOf("rw", "ro")),
      sinceSeconds: field(session, "sinceSeconds", isNumber),
    })),
  };
}
