import { OperatorError } from "../../machinery/errors.ts";
import type { Known } from "../driver.ts";

/** LVM printed something that this code does not know: nothing may be concluded from it. */
export class LvmParseError extends OperatorError {
  readonly reason = "LvmUnreadable";
}

/** All that LVM sees on the devices that it was allowed to look at. */
export interface LvmReport {
  readonly groups: readonly VolumeGroup[];
  /** Physical volumes in no volume group. */
  readonly orphans: readonly PhysicalVolume[];
}

export interface VolumeGroup {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly extentSizeBytes: number;
  readonly exported: boolean;
  readonly tags: readonly string[];
  readonly physicalVolumes: readonly PhysicalVolume[];
  readonly logicalVolumes: readonly LogicalVolume[];
}

export interface PhysicalVolume {
  readonly uuid: string;
  /** `undefined`: missing, LVM knows it by its uuid only. */
  readonly device: string | undefined;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** Size of the device below it now; 0 when missing. */
  readonly deviceBytes: number;
  /** Where the first extent begins. */
  readonly dataOffsetBytes: number;
}

export interface LogicalVolume {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[];
  /** LVM's own words: `linear`, `thin`, `pool`, `sparse` … */
  readonly layout: readonly string[];
  /** `public`, `private`, `snapshot`, `thicksnapshot`, `origin`, `pvmove` … */
  readonly role: readonly string[];
  readonly active: Known;
  /** Whether somebody holds the device open: a mount, a guest, an export, DRBD. */
  readonly open: Known;
  /** Name of what it is a snapshot of. */
  readonly origin: string | undefined;
  /** Size of what a thick snapshot shows; its own `sizeBytes` is the room for changes. */
  readonly originSizeBytes: number | undefined;
  readonly pool: string | undefined;
  /** How full a thin pool or a thick snapshot is; `undefined` for others and while inactive. */
  readonly dataPercent: number | undefined;
  readonly metadataPercent: number | undefined;
  /** A thick snapshot that overflowed: its content is lost. */
  readonly invalid: Known;
  /** Empty when well; `partial`, `failed`, `out of data`, `metadata read only` … (lvs(8)). */
  readonly health: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Parses `lvm fullreport --reportformat json --binary --units b --nosuffix` with the columns of `reportCommand`. */
export function parseReport(stdout: string): LvmReport {
  const sections = reportSections(stdout);
  const groups = sections.flatMap((section) => rows(section, "vg").map((row) => volumeGroup(row, section)));
  const physical = sections.flatMap((section) => rows(section, "pv"));
  const orphans = physical.filter((row) => text(row, "vg_name") === "").map(physicalVolume);
  return { groups, orphans };
}

function reportSections(stdout: string): readonly Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    throw new LvmParseError("lvm fullreport did not print JSON", { cause });
  }
  const report = (parsed as { report?: unknown } | null)?.report;
  if (!Array.isArray(report)) throw new LvmParseError("lvm fullreport printed no report");
  return report;
}

function rows(section: Row, kind: string): readonly Row[] {
  const found = section[kind] ?? [];
  if (!Array.isArray(found)) throw new LvmParseError(`lvm fullreport: ${kind} is not a list`);
  return found;
}

function volumeGroup(row: Row, section: Row): VolumeGroup {
  const name = text(row, "vg_name");
  const physicalVolumes = rows(section, "pv").map(physicalVolume);
  const missing = bytes(row, "vg_missing_pv_count");
  if (physicalVolumes.filter(({ device }) => device === undefined).length !== missing)
    throw new LvmParseError(`volume group ${name}: ${missing} physical volumes are missing, the report shows others`);
  return {
    name,
    uuid: text(row, "vg_uuid"),
    sizeBytes: bytes(row, "vg_size"),
    freeBytes: bytes(row, "vg_free"),
    extentSizeBytes: bytes(row, "vg_extent_size"),
    exported: known(row, "vg_exported") !== "no",
    tags: words(row, "vg_tags"),
    physicalVolumes,
    logicalVolumes: rows(section, "lv").map(logicalVolume),
  };
}

function physicalVolume(row: Row): PhysicalVolume {
  return {
    uuid: text(row, "pv_uuid"),
    device: known(row, "pv_missing") === "no" ? text(row, "pv_name") : undefined,
    sizeBytes: bytes(row, "pv_size"),
    usedBytes: bytes(row, "pv_used"),
    deviceBytes: bytes(row, "dev_size"),
    dataOffsetBytes: bytes(row, "pe_start"),
  };
}

function logicalVolume(row: Row): LogicalVolume {
  const active = known(row, "lv_active_locally");
  return {
    // Hidden volumes, which are parts of others, stand in brackets.
    name: text(row, "lv_name").replace(/^\[(.*)\]$/, "$1"),
    uuid: text(row, "lv_uuid"),
    sizeBytes: bytes(row, "lv_size"),
    tags: words(row, "lv_tags"),
    layout: words(row, "lv_layout"),
    role: words(row, "lv_role"),
    active,
    // Of an inactive volume LVM says -1; but there is no device that anybody could have open.
    open: active === "no" ? "no" : known(row, "lv_device_open"),
    origin: optional(row, "origin"),
    originSizeBytes: text(row, "origin_size") === "" ? undefined : bytes(row, "origin_size"),
    pool: optional(row, "pool_lv"),
    dataPercent: percent(row, "data_percent"),
    metadataPercent: percent(row, "metadata_percent"),
    invalid: known(row, "lv_snapshot_invalid"),
    health: text(row, "lv_health_status"),
  };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new LvmParseError(`lvm fullreport: column ${column} is missing in ${JSON.stringify(row)}`);
}

const optional = (row: Row, column: string): string | undefined =>
  text(row, column).replace(/^\[(.*)\]$/, "$1") || undefined;

const words = (row: Row, column: string): readonly string[] => text(row, column).split(",").filter(Boolean);

function bytes(row: Row, column: string): number {
  const value = text(row, column);
  if (/^\d+$/.test(value)) return Number(value);
  throw new LvmParseError(`lvm fullreport: ${column} is ${JSON.stringify(value)}, not a whole number`);
}

function percent(row: Row, column: string): number | undefined {
  const value = text(row, column);
  if (value === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  throw new LvmParseError(`lvm fullreport: ${column} is ${JSON.stringify(value)}, not a percentage`);
}

/** Columns with `--binary`: 1, 0, or -1 when LVM cannot tell. */
function known(row: Row, column: string): Known {
  const value = text(row, column);
  if (value === "1") return "yes";
  if (value === "0") return "no";
  if (value === "-1") return "unknown";
  throw new LvmParseError(`lvm fullreport: ${column} is ${JSON.stringify(value)}, not 1, 0 or -1`);
}
