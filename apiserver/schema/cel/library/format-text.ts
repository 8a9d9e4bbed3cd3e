import { entriesOf } from "../object.ts";

/** Longest width or precision of one verb, so that a format cannot make a huge text. */
const MAX_PRECISION = 1000;

/** cel-go's `string.format`: `%s %d %f %e %b %o %x %X %%`, with precision for `%f` and `%e`. */
export function formatText(format: string, values: readonly unknown[]): string {
  let next = 0;
  return format.replace(/%(?:\.(\d+))?(.?)/gsu, (_whole, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    const digits = Math.min(Number(precision ?? 6), MAX_PRECISION);
    const value = values[next];
    next += 1;
    return formatOne(verb, value, digits);
  });
}

function formatOne(verb: string, value: unknown, digits: number): string {
  switch (verb) {
    case "s":
      return textOf(value);
    case "d":
      return String(toInteger(value, verb));
    case "f":
      return Number(value).toFixed(Math.min(digits, 100));
    case "e":
      return Number(value)
        .toExponential(Math.min(digits, 100))
        .replace(/e([+-])(\d)$/, "e$10$2");
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : toInteger(value, verb).toString(2);
    case "o":
      return toInteger(value, verb).toString(8);
    case "x":
      return hex(value);
    case "X":
      return hex(value).toUpperCase();
    default:
      throw new Error(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

function toInteger(value: unknown, verb: string): bigint {
  if (typeof value === "bigint") return value;
  throw new Error(`error during formatting: %${verb} needs an integer, was given ${typeof value}`);
}

function hex(value: unknown): string {
  if (typeof value === "string" || value instanceof Uint8Array) return Buffer.from(value as string).toString("hex");
  return toInteger(value, "x").toString(16);
}

function textOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  if (value instanceof Map) {
    const entries = [...entriesOf(value)].map(([key, entry]) => `${textOf(key)}: ${textOf(entry)}`);
    return `{${entries.sort().join(", ")}}`;
  }
  if (value instanceof Date) return value.toISOString().replace(".000Z", "Z");
  return typeof value === "string" ? value : (value as { toString(): string }).toString();
}
