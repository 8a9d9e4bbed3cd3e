import type { Command } from "../command/types.ts";

/** A fence-peer call may hold a state change until the agent has decided; drbdadm itself takes 0.5 s. */
const CHANGE_TIMEOUT_MS = 60_000;

const change = (...argv: [string, ...string[]]): Command => ({
  kind: "run",
  argv,
  mutates: true,
  timeoutMs: CHANGE_TIMEOUT_MS,
});
const look = (...argv: [string, ...string[]]): Command => ({ kind: "run", argv, mutates: false });

/** State of all resources, with sizes and out-of-sync counts, in one call. */
export const eventsNow: Command = look("drbdsetup", "events2", "--now", "--statistics");
/** What the kernel has, of every resource; settings that have their default are left out. */
export const showResources: Command = look("drbdsetup", "show");
/** The same of one resource, with all its settings. */
export const showSettings = (name: string): Command => look("drbdsetup", "show", "--show-defaults", name);

/**
 * Overwrites the end of the disk without asking: drbdmeta takes any old bytes of a recycled disk for data and would
 * want a terminal. Whoever plans it has looked for signatures before.
 */
export const createMetadata = (name: string): Command => change("drbdadm", "--", "--force", "create-md", name);
/** Low-level probe for any signature; exit 2: nothing found. */
export const probeSignature = (disk: string): Command =>
  look("blkid", "--probe", "--output", "value", "--match-tag", "TYPE", disk);
/** Erases the metadata, so that the device holds nothing of DRBD any more. */
export const wipeMetadata = (name: string): Command => change("drbdadm", "--", "--force", "wipe-md", name);
export const dumpMetadata = (name: string): Command => look("drbdadm", "dump-md", name);
export const getGenerations = (minor: number): Command => look("drbdsetup", "get-gi", String(minor));
/** Of metadata that nothing has attached. */
export const getStoredGenerations = (name: string): Command => look("drbdadm", "get-gi", name);
export const newResource = (name: string): Command => change("drbdadm", "new-resource", name);
export const newMinor = (name: string): Command => change("drbdadm", "new-minor", name);
/** Brings disk, network and options in line with the file; connects a resource that is StandAlone. */
export const adjust = (name: string): Command => change("drbdadm", "adjust", name);
/** To the running device. `drbdadm disk-options` would pass none of the file's options on, and `adjust` connects. */
export const diskOptions = (minor: number, options: readonly string[]): Command =>
  change("drbdsetup", "disk-options", String(minor), ...options);
export const connect = (name: string): Command => change("drbdadm", "connect", name);
/** After a split brain: what was written here since is given up, and taken from the peer. */
export const connectDiscarding = (name: string): Command =>
  change("drbdadm", "--", "--discard-my-data", "connect", name);
/** Starts to compare the two copies; blocks that differ are marked on both sides, and nothing is repaired. */
export const verify = (name: string): Command => change("drbdadm", "verify", name);
export const disconnect = (name: string): Command => change("drbdadm", "disconnect", name);
export const promote = (name: string): Command => change("drbdadm", "primary", name);
/** Only for the first data generation: makes an Inconsistent disk the source. */
export const promoteFirst = (name: string): Command => change("drbdadm", "--", "--force", "primary", name);
export const demote = (name: string): Command => change("drbdadm", "secondary", name);
/** Declares both empty disks equal, in DRBD 8.4's syntax. */
export const skipFirstSync = (name: string): Command =>
  change("drbdadm", "--", "--clear-bitmap", "new-current-uuid", name);
export const resize = (name: string): Command => change("drbdadm", "resize", name);
export const attach = (name: string): Command => change("drbdadm", "attach", name);
export const detach = (name: string): Command => change("drbdadm", "detach", name);
/** By the kernel's own name of the resource, for one whose file is gone. */
export const downKernel = (name: string): Command => change("drbdsetup", "down", name);
export const resumeIo = (minor: number): Command => change("drbdsetup", "resume-io", String(minor));
export const removeFile = (path: string): Command => change("rm", "-f", path);
