import { isIP, isIPv4, isIPv6 } from "node:net";

/**
 * String formats that a kube-apiserver checks in custom resources (apiextensions-apiserver, `supportedVersionedFormats`),
 * by their name without hyphens. All others, also `int32` and `int64`, are documentation there and here.
 * Every pattern below is free of nested repetition, so the time is bounded.
 */
const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["bsonobjectid", matching(/^[0-9a-fA-F]{24}$/)],
  ["uri", isRequestUri],
  ["email", isEmail],
  ["hostname", isHostname],
  ["ipv4", isIPv4],
  ["ipv6", (text: string) => isIPv6(text) && !text.includes("%")],
  ["cidr", isCidr],
  ["mac", isMac],
  ["uuid", matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i)],
  ["uuid3", matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i)],
  ["uuid4", matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i)],
  ["uuid5", matching(/^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i)],
  ["isbn", (text: string) => isIsbn10(text) || isIsbn13(text)],
  ["isbn10", isIsbn10],
  ["isbn13", isIsbn13],
  ["creditcard", isCreditCard],
  ["ssn", matching(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/)],
  ["hexcolor", matching(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/)],
  ["rgbcolor", isRgbColor],
  ["byte", matching(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/)],
  ["password", () => true],
  ["date", isDate],
  ["duration", isDuration],
  ["datetime", isDateTime],
]);

/** The check of a format, or undefined for one that nobody checks. */
export const formatCheck = (format: string): ((text: string) => boolean) | undefined =>
  FORMATS.get(format.replaceAll("-", ""));

function matching(pattern: RegExp): (text: string) => boolean {
  return (text) => pattern.test(text);
}

/** As Go's url.ParseRequestURI: absolute, or a path from the root. */
function isRequestUri(text: string): boolean {
  if (text === "" || /[\s\p{Cc}]/u.test(text)) return false;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return false;
  if (text.startsWith("/")) return true;
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:/.exec(text)?.[0];
  if (scheme === undefined) return false;
  const rest = text.slice(scheme.length);
  if (!rest.startsWith("//")) return rest !== "";
  const authority = /^\/\/([^/?#]*)/.exec(rest)?.[1] ?? "";
  const port = /:([^:\]]*)$/.exec(authority.slice(authority.lastIndexOf("@") + 1))?.[1];
  return port === undefined || /^\d*$/.test(port) || authority.endsWith("]");
}

function isEmail(text: string): boolean {
  const address = /<([^<>]*)>\s*$/.exec(text)?.[1] ?? text.trim();
  const at = address.lastIndexOf("@");
  if (at < 1 || at === address.length - 1) return false;
  const local = address.slice(0, at);
  const isQuoted = /^"[^"\\\r\n]*"$/.test(local);
  const isDotAtom = /^[^\s.()<>[\]:;@\\,"]+(?:\.[^\s.()<>[\]:;@\\,"]+)*$/u.test(local);
  return (
    (isQuoted || isDotAtom) &&
    /^(?:[^\s()<>[\]:;@\\,".]+(?:\.[^\s()<>[\]:;@\\,".]+)*|\[[^\s[\]]+\])$/u.test(address.slice(at + 1))
  );
}

/** RFC 1034 labels, digits may lead; letters and symbols of any script as in go-openapi. */
function isHostname(text: string): boolean {
  if (Buffer.byteLength(text) > 255) return false;
  const labels = text.split(".");
  if (labels.at(-1) === "" || (labels.length > 1 && /^.$/u.test(labels.at(-1) ?? ""))) return false;
  return labels.every((label) => {
    const isShort = Buffer.byteLength(label) <= 63;
    return isShort && /^[a-zA-Z0-9\p{S}\p{L}](?:[a-zA-Z0-9\-\p{S}\p{L}]*[a-zA-Z0-9\p{S}\p{L}])?$/u.test(label);
  });
}

export function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (rest.length > 0 || address.includes("%") || !/^(?:0|[1-9]\d{0,2})$/.test(bits)) return false;
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

/** As Go's net.ParseMAC: 6, 8 or 20 octets, separated by colons, hyphens, or dots in fours. */
function isMac(text: string): boolean {
  const colons = /^[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2})*$/.test(text);
  if (colons) return [6, 8, 20].includes((text.length + 1) / 3);
  const dots = /^[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4})+$/.test(text);
  return dots && [3, 4, 10].includes((text.length + 1) / 5);
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  const sum = Array.from(digits).reduce(
    (total, digit, index) => total + (10 - index) * (digit === "X" ? 10 : Number(digit)),
    0,
  );
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{13}$/.test(digits)) return false;
  return (
    Array.from(digits).reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0) % 10 === 0
  );
}

const CARD =
  /^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/;

function isCreditCard(text: string): boolean {
  const digits = text.replace(/\D+/g, "");
  if (!CARD.test(digits)) return false;
  const luhn = Array.from(digits)
    .toReversed()
    .reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
  return luhn % 10 === 0;
}

function isRgbColor(text: string): boolean {
  const parts = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text);
  return parts?.slice(1).every((part) => Number(part) <= 255) === true;
}

function isDate(text: string): boolean {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (parts === null) return false;
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number];
  const date = new Date(Date.UTC(2000, month - 1, day));
  // setUTCFullYear: Date.UTC maps the years 0 to 99 to 1900 and on.
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function isDateTime(text: string): boolean {
  const parts = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):?(\d{2}))?$/.exec(text);
  if (parts === null || !isDate(parts[1] ?? "")) return false;
  const [hour, minute, second, zoneHour, zoneMinute] = parts.slice(2).map((part) => Number(part ?? 0));
  return (
    (hour ?? 99) <= 23 &&
    (minute ?? 99) <= 59 &&
    (second ?? 99) <= 59 &&
    (zoneHour ?? 0) <= 23 &&
    (zoneMinute ?? 0) <= 59
  );
}

const UNIT =
  "(?:ns|us|µs|μs|ms|s|m|h|d|w|nano|nanosecond|nanoseconds|micro|micros|microseconds|microsecond|milli|millis|millisecond|milliseconds|second|sec|seconds|minute|min|minutes|hour|hr|hours|day|days|wk|week|weeks)";
const GO_DURATION = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const WORD_DURATION = new RegExp(`^\\s*\\d+\\s*${UNIT}$`);

/** Go's time.ParseDuration (`1h30m`), or a number and a word (`3 days`). */
function isDuration(text: string): boolean {
  return GO_DURATION.test(text) || WORD_DURATION.test(text);
}
