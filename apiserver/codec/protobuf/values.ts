import type protobuf from "protobufjs/minimal.js";
import { badRequest } from "../../status.ts";

type Reader = protobuf.Reader;

/** Go's zero time.Time as a Unix time; some encoders send it for "no time". */
const ZERO_TIME_SECONDS = -62_135_596_800;
/** Year 9999: the last that RFC 3339 can say. */
const LAST_SECOND = 253_402_300_799;

/** An int64 as a JSON number. Throws BadRequest beyond ±2^53, where a number would be rounded. */
export function integer(value: { toString(radix?: number): string }): number {
  const text = value.toString(); // protobufjs gives a Long; its string is exact
  const number = Number(text);
  if (Number.isSafeInteger(number)) return number;
  throw badRequest(`integer ${text} cannot be kept exactly: integers must be within ±9007199254740991`);
}

/** metav1.Time (whole seconds) or MicroTime as RFC 3339 in UTC; undefined for Go's zero time, sent empty. */
export function instant(reader: Reader, end: number, type: "time" | "microTime"): string | undefined {
  let seconds: number | undefined;
  let nanos = 0;
  const empty = reader.pos === end;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x08) seconds = integer(reader.int64());
    else if (tag === 0x10) nanos = reader.int32();
    else reader.skipType(tag & 7);
  }
  if (empty || seconds === ZERO_TIME_SECONDS) return undefined;
  return render(seconds ?? 0, nanos, type);
}

function render(seconds: number, nanos: number, type: "time" | "microTime"): string {
  if (seconds < ZERO_TIME_SECONDS || seconds > LAST_SECOND || nanos < 0 || nanos > 999_999_999) {
    throw badRequest(`time of ${seconds} s and ${nanos} ns since 1970 is not within years 1 to 9999`);
  }
  const whole = new Date(seconds * 1000).toISOString().slice(0, -5);
  if (type === "time") return `${whole}Z`;
  return `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z`;
}

/** util/intstr.IntOrString: 1 type (0 int, 1 string), 2 intVal, 3 strVal. */
export function intOrString(reader: Reader, end: number): number | string {
  let isString = false;
  let number = 0;
  let string = "";
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x08) isString = integer(reader.int64()) === 1;
    else if (tag === 0x10) number = reader.int32();
    else if (tag === 0x1a) string = reader.string();
    else reader.skipType(tag & 7);
  }
  return isString ? string : number;
}
