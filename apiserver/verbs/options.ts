import { ApiError, type FieldError } from "../status.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** Query parameters of a write. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  readonly fieldManager: string;
  readonly force: boolean | undefined;
}

const MAX_MANAGER_LENGTH = 128;
const LEVELS: readonly FieldValidation[] = ["Ignore", "Warn", "Strict"];

/** Refusal of query parameters: they form an object of `meta.k8s.io` of their own. */
export function invalidOptions(kind: string, field: string, message: string, reason: FieldError["reason"]): ApiError {
  return new ApiError("Invalid", `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    details: { group: "meta.k8s.io", kind, causes: [{ reason, message, field }] },
  });
}

/** Throws Invalid naming the parameter. `kind` is CreateOptions, UpdateOptions or PatchOptions. */
export function parseWriteOptions(kind: string, query: URLSearchParams, userAgent: string): WriteOptions {
  const force = query.get("force");
  return {
    dryRun: parseDryRun(kind, query.getAll("dryRun")),
    fieldValidation: parseFieldValidation(kind, query.get("fieldValidation")),
    fieldManager: parseFieldManager(kind, query.get("fieldManager"), userAgent),
    force: force === null ? undefined : force === "true" || force === "1" || force === "",
  };
}

export function parseDryRun(kind: string, values: readonly unknown[]): boolean {
  const given = values.filter((value) => value !== "");
  if (given.some((value) => value !== "All")) {
    const message = `Unsupported value: ${JSON.stringify(given)}: supported values: "All"`;
    throw invalidOptions(kind, "dryRun", message, "FieldValueNotSupported");
  }
  return given.length > 0;
}

function parseFieldValidation(kind: string, value: string | null): FieldValidation {
  if (value === null || value === "") return "Warn";
  const level = LEVELS.find((each) => each === value);
  if (level !== undefined) return level;
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: "", "Ignore", "Strict", "Warn"`;
  throw invalidOptions(kind, "fieldValidation", message, "FieldValueNotSupported");
}

/** The parameter, else what the User-Agent says before its first slash. */
function parseFieldManager(kind: string, value: string | null, userAgent: string): string {
  if (value === null || value === "") return printable((userAgent.split("/")[0] ?? "").slice(0, MAX_MANAGER_LENGTH));
  if (value.length > MAX_MANAGER_LENGTH) {
    const message = `Too long: may not be more than ${MAX_MANAGER_LENGTH} bytes`;
    throw invalidOptions(kind, "fieldManager", message, "FieldValueTooLong");
  }
  if (printable(value) !== value) {
    const message = `Invalid value: ${JSON.stringify(value)}: should only contain printable characters`;
    throw invalidOptions(kind, "fieldManager", message, "FieldValueInvalid");
  }
  return value;
}

const printable = (text: string): string => text.replace(/\p{C}/gu, "");
