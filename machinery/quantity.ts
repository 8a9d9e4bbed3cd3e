import { OperatorError } from "./errors.ts";

/** How a quantity was written, which is how it is written again: `1Gi`, `1G`, `1e9`. */
type QuantityFormat = "BinarySI" | "DecimalSI" | "DecimalExponent";

/** A Kubernetes quantity, exact to 10^-9 (finer input is rounded away from zero, as apimachinery does). */
export interface Quantity {
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

export class QuantityError extends OperatorError {
  override readonly retry = "never";
  readonly reason = "InvalidQuantity";
}

const NANO = 10n ** 9n;
/** apimachinery caps here: no quantity is above 2^63 - 1. */
const MAX_NANO = (2n ** 63n - 1n) * NANO;
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: ReadonlyMap<number, string> = new Map([
  [-9, "n"],
  [-6, "u"],
  [-3, "m"],
  [0, ""],
  [3, "k"],
  [6, "M"],
  [9, "G"],
  [12, "T"],
  [15, "P"],
  [18, "E"],
]);
const NUMBER = /^([+-]?)(\d+\.?\d*|\.\d+)(.*)$/;

/**
 * Reads `<sign><digits>[.<digits>]<suffix>`; the suffix is one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent
 * such as e3. Values above 2^63 - 1 become 2^63 - 1.
 */
export function parseQuantity(text: string): Quantity {
  const [, sign, digits = "", suffix = ""] = NUMBER.exec(text) ?? malformed(text);
  const scale = parseSuffix(suffix) ?? malformed(text);
  const [whole = "", fraction = ""] = digits.split(".");
  const magnitude = scaled(BigInt(whole + fraction), scale, fraction.length);
  const nano = sign === "-" ? -magnitude : magnitude > MAX_NANO ? MAX_NANO : magnitude;
  // A fraction of one byte reads better as 500m than as 0.5.
  const tiny = scale.format === "BinarySI" && nano > 0n && nano < NANO;
  return { nano, format: tiny ? "DecimalSI" : scale.format };
}

interface Scale {
  readonly format: QuantityFormat;
  readonly power2: number;
  readonly power10: number;
}

function parseSuffix(suffix: string): Scale | undefined {
  const binary = BINARY.indexOf(suffix, 1);
  if (binary > 0) return { format: "BinarySI", power2: 10 * binary, power10: 0 };
  for (const [power10, letter] of DECIMAL) {
    if (letter === suffix) return { format: "DecimalSI", power2: 0, power10 };
  }
  const exponent = /^[eE]([+-]?\d{1,3})$/.exec(suffix)?.[1];
  return exponent === undefined ? undefined : { format: "DecimalExponent", power2: 0, power10: Number(exponent) };
}

/** `digits * 2^power2 * 10^(power10 - decimals)` in units of 10^-9, rounded up. */
function scaled(digits: bigint, { power2, power10 }: Scale, decimals: number): bigint {
  const power = power10 - decimals + 9;
  const value = digits << BigInt(power2);
  if (power >= 0) return value * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return (value + divisor - 1n) / divisor;
}

function malformed(text: string): never {
  throw new QuantityError(`quantity ${JSON.stringify(text)} is not a number with a suffix such as Gi, G or m`);
}

/** The canonical form: the largest suffix that needs no fraction. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return "0";
  const inBinary = format === "BinarySI" && (nano >= 1024n * NANO || nano <= -1024n * NANO);
  if (inBinary) return formatBinary(nano);
  const power = decimalPower(nano);
  const digits = power >= -9 ? nano / 10n ** BigInt(power + 9) : nano;
  if (format !== "DecimalExponent") return `${digits}${DECIMAL.get(power) ?? ""}`;
  return power === 0 ? `${digits}` : `${digits}e${power}`;
}

function formatBinary(nano: bigint): string {
  const up = nano > 0n ? NANO - 1n : 1n - NANO;
  let value = (nano + up) / NANO;
  let step = 0;
  while (step < BINARY.length - 1 && value % 1024n === 0n) {
    value /= 1024n;
    step += 1;
  }
  return `${value}${BINARY[step]}`;
}

/** The largest multiple of three, -9 to 18, whose power of ten divides the value. */
function decimalPower(nano: bigint): number {
  let power = -9;
  while (power < 18 && nano % 10n ** BigInt(power + 12) === 0n) power += 3;
  return power;
}

/** -1, 0 or 1; `1Gi` and `1024Mi` are equal. */
export function compareQuantities(a: string, b: string): -1 | 0 | 1 {
  const left = parseQuantity(a).nano;
  const right = parseQuantity(b).nano;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** A size in whole bytes, exactly. Refuses fractions of a byte, negative sizes and what a number cannot hold. */
export function parseBytes(text: string): number {
  const { nano } = parseQuantity(text);
  if (nano < 0n) throw new QuantityError(`size ${JSON.stringify(text)} is negative`);
  if (nano % NANO !== 0n) throw new QuantityError(`size ${JSON.stringify(text)} is not a whole number of bytes`);
  const bytes = Number(nano / NANO);
  if (!Number.isSafeInteger(bytes)) throw new QuantityError(`size ${JSON.stringify(text)} is above 8 PiB`);
  return bytes;
}

/** Whole bytes as a canonical binary quantity: 2^30 is `1Gi`, 1500 is `1500`. */
export function formatBytes(sizeBytes: number | bigint): string {
  return formatQuantity({ nano: BigInt(sizeBytes) * NANO, format: "BinarySI" });
}
