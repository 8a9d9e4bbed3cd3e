import { isIPv4, isIPv6 } from "node:net";
import type { Environment } from "@marcbachmann/cel-js";
import { registerAll, registerNamespace } from "./register.ts";

/** An IP address: its family and value. IPv4-mapped IPv6 and zones are refused, as Kubernetes does. */
class Ip {
  readonly family: 4 | 6;
  readonly value: bigint;

  constructor(family: 4 | 6, value: bigint) {
    this.family = family;
    this.value = value;
  }

  get bits(): number {
    return this.family === 4 ? 32 : 128;
  }

  /** The first `count` bits. */
  prefix(count: number): bigint {
    return this.value >> BigInt(this.bits - count);
  }

  toString(): string {
    return this.family === 4 ? bytesOf(this.value, 4).join(".") : compress(this.value);
  }
}

class Cidr {
  readonly ip: Ip;
  readonly length: number;

  constructor(ip: Ip, length: number) {
    this.ip = ip;
    this.length = length;
  }

  contains(ip: Ip): boolean {
    return ip.family === this.ip.family && ip.prefix(this.length) === this.ip.prefix(this.length);
  }

  masked(): Cidr {
    const host = BigInt(this.ip.bits - this.length);
    return new Cidr(new Ip(this.ip.family, (this.ip.value >> host) << host), this.length);
  }

  toString(): string {
    return `${this.ip.toString()}/${this.length}`;
  }
}

const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_x, i) => Number((value >> BigInt(8 * (count - 1 - i))) & 255n));

/** RFC 5952: the longest run of zero groups, at least two, becomes `::`. */
function compress(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_x, i) => ((value >> BigInt(16 * (7 - i))) & 0xffffn).toString(16));
  const runs = [...groups.join(":").matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce((best, run) => (run[0].length > best.length ? run[0] : best), "");
  if (longest === "") return groups.join(":");
  const text = groups.join(":");
  const at = runs.find((run) => run[0] === longest)?.index ?? 0;
  const before = text.slice(0, at).replace(/:$/, "");
  const after = text.slice(at + longest.length).replace(/^:/, "");
  return `${before}::${after}`;
}

function parseIp(text: string): Ip {
  if (isIPv4(text))
    return new Ip(
      4,
      text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n),
    );
  if (!isIPv6(text))
    throw new Error(
      `IP Address "${text}" parse error during conversion from string: ParseAddr("${text}"): unable to parse IP`,
    );
  if (text.includes("%")) throw new Error(`IP address "${text}" with zone value is not allowed`);
  const ip = new Ip(6, parseV6(text));
  if (ip.value >> 32n === 0xffffn) throw new Error(`IPv4-mapped IPv6 address "${text}" is not allowed`);
  return ip;
}

function parseV6(text: string): bigint {
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_v4, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const front = groups(head);
  const back = groups(tail ?? "");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - front.length - back.length }, () => "0");
  return [...front, ...zeros, ...back].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

function parseCidr(text: string): Cidr {
  const [address = "", length = "", ...rest] = text.split("/");
  const isValid = rest.length === 0 && /^(?:0|[1-9]\d{0,2})$/.test(length);
  if (!isValid) throw new Error(`network address parse error during conversion from string: "${text}" is not a CIDR`);
  const ip = parseIp(address);
  if (Number(length) > ip.bits)
    throw new Error(`network address parse error during conversion from string: prefix length out of range`);
  return new Cidr(ip, Number(length));
}

export function succeeds(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

const inRange = (ip: Ip, ...ranges: readonly string[]): boolean =>
  ranges.some((range) => parseCidr(range).contains(ip));

/** IP addresses and networks (apiserver `library/ip.go`, `library/cidr.go`) and URLs (`library/urls.go`). */
export function registerNetwork(env: Environment): void {
  env.registerType("net.IP", Ip);
  env.registerType("net.CIDR", Cidr);
  env.registerOperator("net.IP == net.IP", (a: Ip, b: Ip) => a.family === b.family && a.value === b.value);
  env.registerOperator("net.CIDR == net.CIDR", (a: Cidr, b: Cidr) => String(a) === String(b));
  registerNamespace(env, "ip", {
    "isCanonical(string): bool": (_ip: unknown, text: string) => String(parseIp(text)) === text,
  });
  registerAll(env, {
    "ip(string): net.IP": parseIp,
    "isIP(string): bool": (text: string) => succeeds(() => parseIp(text)),
    "string(net.IP): string": String,
    "net.IP.family(): int": (ip: Ip) => BigInt(ip.family),
    "net.IP.isUnspecified(): bool": (ip: Ip) => ip.value === 0n,
    "net.IP.isLoopback(): bool": (ip: Ip) => inRange(ip, "127.0.0.0/8", "::1/128"),
    "net.IP.isLinkLocalMulticast(): bool": (ip: Ip) => inRange(ip, "224.0.0.0/24", "ff02::/16"),
    "net.IP.isLinkLocalUnicast(): bool": (ip: Ip) => inRange(ip, "169.254.0.0/16", "fe80::/10"),
    "net.IP.isGlobalUnicast(): bool": (ip: Ip) =>
      ip.value !== 0n &&
      !inRange(
        ip,
        "127.0.0.0/8",
        "::1/128",
        "224.0.0.0/4",
        "ff00::/8",
        "169.254.0.0/16",
        "fe80::/10",
        "255.255.255.255/32",
      ),
    "cidr(string): net.CIDR": parseCidr,
    "isCIDR(string): bool": (text: string) => succeeds(() => parseCidr(text)),
    "string(net.CIDR): string": String,
    "net.CIDR.containsIP(net.IP): bool": (cidr: Cidr, ip: Ip) => cidr.contains(ip),
    "net.CIDR.containsIP(string): bool": (cidr: Cidr, ip: string) => cidr.contains(parseIp(ip)),
    "net.CIDR.containsCIDR(net.CIDR): bool": containsCidr,
    "net.CIDR.containsCIDR(string): bool": (cidr: Cidr, other: string) => containsCidr(cidr, parseCidr(other)),
    "net.CIDR.ip(): net.IP": (cidr: Cidr) => cidr.ip,
    "net.CIDR.masked(): net.CIDR": (cidr: Cidr) => cidr.masked(),
    "net.CIDR.prefixLength(): int": (cidr: Cidr) => BigInt(cidr.length),
  });
  registerUrls(env);
}

const containsCidr = (cidr: Cidr, other: Cidr): boolean => other.length >= cidr.length && cidr.contains(other.ip);

/** As Go's url.Parse sees an absolute URL or an absolute path. */
class CelUrl {
  readonly text: string;
  readonly url: URL;
  readonly isPath: boolean;

  constructor(text: string) {
    this.text = text;
    this.isPath = text.startsWith("/");
    const isAbsolute = this.isPath || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text);
    if (!isAbsolute || /\s/.test(text))
      throw new Error(`URL parse error during conversion from string: "${text}": invalid URI for request`);
    try {
      this.url = new URL(text, "path://");
    } catch (cause) {
      throw new Error(`URL parse error during conversion from string: "${text}"`, { cause });
    }
  }

  toString(): string {
    return this.text;
  }

  /** With the port even when it is the scheme's own, which URL drops. */
  get host(): string {
    return /^[^:/?#]+:\/\/(?:[^/?#@]*@)?([^/?#]*)/.exec(this.text)?.[1] ?? "";
  }
}

function registerUrls(env: Environment): void {
  env.registerType("kubernetes.URL", CelUrl);
  env.registerOperator("kubernetes.URL == kubernetes.URL", (a: CelUrl, b: CelUrl) => a.text === b.text);
  registerAll(env, {
    "url(string): kubernetes.URL": (text: string) => new CelUrl(text),
    "isURL(string): bool": (text: string) => succeeds(() => new CelUrl(text)),
    "kubernetes.URL.getScheme(): string": (url: CelUrl) => (url.isPath ? "" : url.url.protocol.replace(/:$/, "")),
    "kubernetes.URL.getHost(): string": (url: CelUrl) => url.host,
    "kubernetes.URL.getHostname(): string": (url: CelUrl) => url.host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1"),
    "kubernetes.URL.getPort(): string": (url: CelUrl) => /:(\d+)$/.exec(url.host)?.[1] ?? "",
    "kubernetes.URL.getEscapedPath(): string": (url: CelUrl) =>
      /^(?:[^:/?#]+:)?(?:\/\/[^/?#]*)?([^?#]*)/.exec(url.text)?.[1] ?? "",
    "kubernetes.URL.getQuery(): map<string, list<string>>": (url: CelUrl) =>
      new Map([...new Set(url.url.searchParams.keys())].map((key) => [key, url.url.searchParams.getAll(key)])),
  });
}
