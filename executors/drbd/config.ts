import { createHash } from "node:crypto";
import { TerminalError } from "../../machinery/errors.ts";

/** One side of a resource, as its `on` section wants it. */
export interface ConfigSide {
  /** `uname -n` of the host. */
  readonly nodeName: string;
  /** IPv4 or IPv6 address that the mirror replicates over. */
  readonly address: string;
  /** Backing device. For the peer's side any path does: only the local one is opened. */
  readonly disk: string;
}

/** All that the configuration of a two-host resource says; both hosts must render the same `net` part. */
export interface ResourceConfig {
  readonly name: string;
  readonly minor: number;
  readonly port: number;
  readonly local: ConfigSide;
  readonly peer: ConfigSide;
  /** Open only in a recorded window of a live migration. */
  readonly twoPrimaries: boolean;
  /** 1 to 64 characters, no quotes. */
  readonly sharedSecret: string | undefined;
  readonly tuning: Tuning;
}

/** Settings that may differ from mirror to mirror without touching the promises; equal on both hosts. */
export interface Tuning {
  /** Bytes a second; `undefined`: 100 MiB/s. */
  readonly resyncRateBytes: number | undefined;
  /** Areas of 4 MiB that may be dirty at once; all of them are compared after a crash. */
  readonly activityLogExtents: number;
  /** A lost peer is noticed after `timeoutMs` while there is I/O; it stays below the two intervals. */
  readonly timeoutMs: number;
  readonly connectIntervalMs: number;
  readonly pingIntervalMs: number;
}

/** Where the file of a resource lies: Debian's `/etc/drbd.conf` includes it, so `drbdadm` works for people too. */
export const configPath = (name: string): string => `/etc/drbd.d/${name}.res`;

/**
 * Where it is noted which file's settings the kernel has. Gone with a reboot, as the kernel's settings are. Without it a
 * crash between writing a file and applying it would leave the kernel with old settings for good: with two primaries
 * allowed, say, long after the migration.
 */
export const appliedPath = (name: string): string => `/run/ferrite/drbd-applied/${name}`;

/** A file's content in short: it may hold a secret. */
export const configDigest = (text: string): string => createHash("sha256").update(text).digest("hex");

const DEFAULT_RESYNC_RATE_BYTES = 100 * 2 ** 20;

/**
 * What the promises rest on; never weakened, and read back from the running kernel at every start of the agent:
 * the freeze on a lost peer (`fencing`), the tombstone on a failed disk (`on-io-error`), no answer without data
 * (`on-no-data-accessible`), no automatic discarding of anybody's writes (`after-sb-*`, `rr-conflict`).
 */
export const SAFE_SETTINGS = {
  options: new Map([["on-no-data-accessible", "suspend-io"]]),
  disk: new Map([
    ["on-io-error", "call-local-io-error"],
    ["fencing", "resource-and-stonith"],
  ]),
  net: new Map([
    ["protocol", "C"],
    ["after-sb-0pri", "discard-zero-changes"],
    ["after-sb-1pri", "disconnect"],
    ["after-sb-2pri", "disconnect"],
    ["rr-conflict", "disconnect"],
  ]),
} as const;
const lines = (settings: ReadonlyMap<string, string>): string[] =>
  [...settings].map(([key, value]) => `${key} ${value};`);
const SAFE_DISK = lines(SAFE_SETTINGS.disk);
const [ON_IO_ERROR = "", FENCING = ""] = SAFE_DISK;
const SAFE_NET = lines(SAFE_SETTINGS.net);

/** DRBD counts `timeout` and `ping-timeout` in tenths of a second, the intervals in seconds. */
const timing = (tuning: Tuning): string[] => [
  `timeout ${Math.round(tuning.timeoutMs / 100)};`,
  `ping-int ${Math.max(1, Math.round(tuning.pingIntervalMs / 1000))};`,
  "ping-timeout 10;",
  `connect-int ${Math.max(1, Math.round(tuning.connectIntervalMs / 1000))};`,
  "ko-count 7;",
];

const indent = (depth: number, body: readonly string[]): string[] =>
  body.map((line) => (line === "" ? "" : `${"  ".repeat(depth)}${line}`));

const section = (head: string, body: readonly string[]): string[] => [`${head} {`, ...indent(1, body), "}"];

/**
 * The file for the DRBD 8.4 module, in the syntax that drbd-utils 9 hands on to its 8.4 tools.
 * Throws TerminalError for a secret that the syntax cannot carry.
 */
export function renderConfig84(config: ResourceConfig): string {
  const body = [
    ...section("options", lines(SAFE_SETTINGS.options)),
    ...section("disk", [...SAFE_DISK, ...diskTuning(config.tuning)]),
    ...section("net", [...SAFE_NET, ...timing(config.tuning), ...variableNet(config)]),
    ...hosts(config, "fixed order"),
  ];
  return [HEADER, ...section(`resource ${config.name}`, body), ""].join("\n");
}

/** The same for DRBD 9, where `fencing` belongs to the connection and every host has a node id. */
export function renderConfig9(config: ResourceConfig): string {
  const body = [
    ...section("options", [...lines(SAFE_SETTINGS.options), "auto-promote no;", "quorum off;"]),
    ...section("disk", [ON_IO_ERROR, ...diskTuning(config.tuning)]),
    ...section("net", [FENCING, ...SAFE_NET, ...timing(config.tuning), ...variableNet(config)]),
    ...hosts(config, "with node id"),
  ];
  return [HEADER, ...section(`resource ${config.name}`, body), ""].join("\n");
}

const HEADER = "# Written by the Ferrite agent from a MirrorReplica; changes made here are overwritten.";

const diskTuning = (tuning: Tuning): string[] => [
  `resync-rate ${Math.floor((tuning.resyncRateBytes ?? DEFAULT_RESYNC_RATE_BYTES) / 1024)}k;`,
  "c-plan-ahead 0;",
  `al-extents ${tuning.activityLogExtents};`,
];

/** The `disk` section of the file as arguments of `drbdsetup disk-options`. */
export const diskOptionArguments = (config: ResourceConfig): readonly string[] =>
  [...SAFE_DISK, ...diskTuning(config.tuning)].map((line) => `--${line.replace(" ", "=").replace(";", "")}`);

function variableNet(config: ResourceConfig): string[] {
  const body = [
    "max-buffers 8000;",
    "verify-alg crc32c;",
    `allow-two-primaries ${config.twoPrimaries ? "yes" : "no"};`,
  ];
  if (config.sharedSecret === undefined) return body;
  if (!/^[^"\\\n]{1,64}$/.test(config.sharedSecret))
    throw new TerminalError(
      "SecretInvalid",
      `the shared secret of ${config.name} must have 1 to 64 characters without quotes, backslashes or line ends`,
    );
  return [...body, "cram-hmac-alg sha256;", `shared-secret "${config.sharedSecret}";`];
}

/** Both hosts write the sections in the same order, so that the two files differ in nothing but `disk`. */
function hosts(config: ResourceConfig, form: "fixed order" | "with node id"): string[] {
  const sides = [config.local, config.peer].toSorted((a, b) => (a.nodeName < b.nodeName ? -1 : 1));
  return sides.flatMap((side, nodeId) =>
    section(`on ${side.nodeName}`, [
      `device /dev/drbd${config.minor} minor ${config.minor};`,
      `disk ${side.disk};`,
      `address ${endpoint(side.address, config.port)};`,
      "meta-disk internal;",
      ...(form === "with node id" ? [`node-id ${nodeId};`] : []),
    ]),
  );
}

const endpoint = (address: string, port: number): string =>
  address.includes(":") ? `ipv6 [${address}]:${port}` : `ipv4 ${address}:${port}`;
