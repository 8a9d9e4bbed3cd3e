import { OperatorError } from "../../machinery/errors.ts";

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

/** What `nbd-device list` tells of the importing side. */
export interface DeviceReport {
  readonly devices: readonly NbdDevice[];
  /** Symbolic links in /dev/gnbd. */
  readonly links: readonly { readonly name: string; readonly target: string }[];
}

export interface NbdDevice {
  readonly index: number;
  /** Whose it is: given at the first connection, kept by the kernel. */
  readonly backend: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Whether the TCP connection stands. */
  readonly connected: boolean;
  /** By whom it was served last; absent when our record is lost. */
  readonly server?: { readonly address: string; readonly port: number };
}

export class NbdReportError extends OperatorError {
  readonly reason = "UnreadableReport";
}

export function parseServerReport(text: string): ServerReport {
  const report = parse(text);
  return {
    listener: field(report, "listener", oneOf("none", "outdated", "current")),
    uptimeSeconds: field(report, "uptimeSeconds", isNumber),
    exports: field(report, "exports", isList).map((each) => checked(each, "exports[]", isText)),
    sessions: field(report, "sessions", isList).map((each) => {
      const session = checked(each, "sessions[]", isRecord);
      return {
        key: field(session, "key", isText),
        pid: field(session, "pid", isNumber),
        address: field(session, "address", isText),
        port: field(session, "port", isNumber),
        mode: field(session, "mode", oneOf("rw", "ro")),
        sinceSeconds: field(session, "sinceSeconds", isNumber),
      };
    }),
  };
}

export function parseDeviceReport(text: string): DeviceReport {
  const report = parse(text);
  return {
    devices: field(report, "devices", isList).map((each) => parseDevice(checked(each, "devices[]", isRecord))),
    links: field(report, "links", isList).map((each) => {
      const link = checked(each, "links[]", isRecord);
      return { name: field(link, "name", isText), target: field(link, "target", isText) };
    }),
  };
}

function parseDevice(device: Record): NbdDevice {
  const server = device["server"] === undefined ? undefined : field(device, "server", isRecord);
  return {
    index: field(device, "index", isNumber),
    backend: field(device, "backend", isText),
    sizeBytes: field(device, "sizeBytes", isNumber),
    readOnly: field(device, "readOnly", isBoolean),
    connected: field(device, "connected", isBoolean),
    ...(server === undefined
      ? {}
      : { server: { address: field(server, "address", isText), port: field(server, "port", isNumber) } }),
  };
}

type Record = Readonly<{ [name: string]: unknown }>;
type Check<T> = (value: unknown) => value is T;

const isText: Check<string> = (value) => typeof value === "string";
const isNumber: Check<number> = (value): value is number => Number.isSafeInteger(value);
const isBoolean: Check<boolean> = (value) => typeof value === "boolean";
const isList: Check<readonly unknown[]> = (value) => Array.isArray(value);
const isRecord: Check<Record> = (value): value is Record =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const oneOf =
  <T extends string>(...words: readonly T[]): Check<T> =>
  (value): value is T =>
    words.some((word) => word === value);

function parse(text: string): Record {
  try {
    return checked(JSON.parse(text), "report", isRecord);
  } catch (cause) {
    throw new NbdReportError(`not a report: ${text.slice(0, 200)}`, { cause });
  }
}

const field = <T>(record: Record, name: string, check: Check<T>): T => checked(record[name], name, check);

function checked<T>(value: unknown, name: string, check: Check<T>): T {
  if (check(value)) return value;
  throw new NbdReportError(`${name} cannot be ${JSON.stringify(value)}`);
}
