import { field, isBoolean, isFields, isNumber, isText, parseReport, records } from "./report-fields.ts";

/** What `nbd-device list`, `iscsi-device list` and `nvme-device list` tell of the importing side. */
export interface DeviceReport {
  readonly devices: readonly ImportedDevice[];
  /** Symbolic links in /dev/gnbd. */
  readonly links: readonly { readonly name: string; readonly target: string }[];
}

export interface ImportedDevice {
  /** By which its program knows it. */
  readonly id: string;
  /** The kernel's device. */
  readonly path: string;
  /** Whose it is: given at the first connection. */
  readonly backend: string;
  readonly sizeBytes: number;
  /** Whether a server answers. */
  readonly connected: boolean;
  /** By whom it was served last; absent when that is not known. */
  readonly server?: { readonly address: string; readonly port: number };
}

export function parseDeviceReport(text: string): DeviceReport {
  const report = parseReport(text);
  return {
    devices: records(report, "devices").map((device) => {
      const server = device["server"] === undefined ? undefined : field(device, "server", isFields);
      return {
        id: field(device, "id", isText),
        path: field(device, "path", isText),
        backend: field(device, "backend", isText),
        sizeBytes: field(device, "sizeBytes", isNumber),
        connected: field(device, "connected", isBoolean),
        ...(server === undefined
          ? {}
          : { server: { address: field(server, "address", isText), port: field(server, "port", isNumber) } }),
      };
    }),
    links: records(report, "links").map((link) => ({
      name: field(link, "name", isText),
      target: field(link, "target", isText),
    })),
  };
}
