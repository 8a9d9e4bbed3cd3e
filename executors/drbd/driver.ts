import type { Command } from "../command/types.ts";
import type { Plan, Step } from "../driver.ts";
import { inUseMessage } from "../host/holders.ts";
import * as commands from "./commands.ts";
import {
  appliedPath,
  configDigest,
  configPath,
  diskOptionArguments,
  renderConfig84,
  type ResourceConfig,
} from "./config.ts";
import { isAttached, type ObservedReplica } from "./observe.ts";
import type { ResourceState } from "./state.ts";

/** What one side of a mirror should be. What may be done at all is decided above: see the arbitration. */
export interface DesiredReplica {
  readonly config: ResourceConfig;
  /** `may-create`: the store says that no data can be lost by making metadata here. */
  readonly metadata: "keep" | "may-create";
  /** Before the first generation nothing can be known of this disk yet, unless it was reported to have our metadata. */
  readonly mustBeFresh: boolean;
  readonly connect: boolean;
  /** Connecting, this side gives up what it wrote since a split brain. */
  readonly discard?: boolean;
  /** The disk was filled by us with what the mirror is to begin with: data on it is no obstacle. */
  readonly filled?: boolean;
  /** Whether a disk may be attached to what is running. */
  readonly attach: boolean;
  readonly role: "Primary" | "Secondary";
  /** How the first data generation begins, on the one side that begins it; `none` everywhere else and ever after. */
  readonly firstGeneration: "none" | "full-sync" | "skip-sync";
  /** Usable size to grow to. */
  readonly sizeBytes: number;
}

const step = (why: string, effect: Command): Step => ({ why, effect });
const blocked = (reason: string, message: string): Plan => ({ kind: "blocked", reason, message });

export function planReplica(desired: DesiredReplica, observed: ObservedReplica): Plan {
  const { name } = desired.config;
  const text = renderConfig84(desired.config);
  if (observed.configFile !== text) {
    const effect = { kind: "write", path: configPath(name), content: text, mode: 0o600 } as const;
    // Metadata can be looked at only when the file is there: the next pass goes on from here.
    return { kind: "steps", steps: [{ why: `write the configuration of ${name}`, effect }] };
  }
  if (observed.diskMissing === true)
    return blocked(
      "DeviceMissing",
      `spec.replicas: there is no device ${desired.config.local.disk} on ${desired.config.local.nodeName}; \`ls -l /dev/disk/by-id\` there shows what there is`,
    );
  const { claims = [] } = observed;
  if (claims.length > 0)
    return blocked(
      "DeviceInUse",
      `spec.replicas: ${inUseMessage(desired.config.local.disk, claims)} on ${desired.config.local.nodeName}; name another device, or end that use`,
    );
  if (observed.metadata === "unknown")
    return blocked("MetadataUnknown", `DRBD's metadata on ${desired.config.local.disk} cannot be read`);
  if (observed.metadata === "no") return planMetadata(desired, observed);
  if (desired.mustBeFresh && observed.usedBefore === true) return holdsData(desired, "another mirror's copy (drbd)");
  const { kernel } = observed;
  if (kernel?.device === undefined) return { kind: "steps", steps: bringUp(desired, observed, text) };
  if (!isAttached(kernel) && !desired.attach)
    return blocked(
      "DiskStaysDetached",
      kernel.role === "Primary"
        ? `${name} is primary without its own disk and without its peer: it waits for the peer`
        : `the disk of ${name} may lack acknowledged writes: it is not attached`,
    );
  if (!isAttached(kernel)) return { kind: "steps", steps: [step(`attach the disk of ${name}`, commands.attach(name))] };
  if (observed.appliedDigest !== configDigest(text)) return { kind: "steps", steps: applyOptions(desired, text) };
  return planRunning(desired, kernel);
}

/** Brings the kernel in line with the file. Without a connection only the disk's settings: `connect` takes the others along. */
function applyOptions(desired: DesiredReplica, text: string): Step[] {
  const { config, connect } = desired;
  const options = commands.diskOptions(config.minor, diskOptionArguments(config));
  return [
    connect
      ? step(`apply the settings of ${config.name}`, commands.adjust(config.name))
      : step(`apply the disk settings of ${config.name}`, options),
    noteApplied(config.name, text),
  ];
}

const noteApplied = (name: string, text: string): Step => ({
  why: `note that the settings of ${name} are applied`,
  effect: { kind: "write", path: appliedPath(name), content: configDigest(text), mode: 0o600 },
});

const holdsData = ({ config: { local } }: DesiredReplica, what: string): Plan =>
  blocked(
    "DeviceHoldsData",
    `spec.replicas: ${local.disk} on ${local.nodeName} holds ${what}, which a mirror would overwrite: use another device, or wipe it (wipefs --all) if it is not needed`,
  );

function planMetadata(desired: DesiredReplica, observed: ObservedReplica): Plan {
  const { name, local } = desired.config;
  if (desired.metadata === "may-create" && observed.holds !== "" && desired.filled !== true)
    return holdsData(desired, observed.holds);
  if (desired.metadata === "may-create")
    return { kind: "steps", steps: [step(`create metadata on ${local.disk}`, commands.createMetadata(name))] };
  return blocked(
    "MetadataMissing",
    `${local.disk} has no DRBD metadata although ${name} had its first generation: this disk is not the one that held it`,
  );
}

/**
 * The disk first, without the network: what it says of itself is looked at before the peer is met. A side that holds
 * nothing yet comes up in one go.
 */
function bringUp(
  { config: { name }, metadata, connect, attach }: DesiredReplica,
  { kernel, usedBefore }: ObservedReplica,
  text: string,
): Step[] {
  if (metadata === "may-create" && connect && usedBefore !== true)
    return [step(`bring ${name} up`, commands.adjust(name)), noteApplied(name, text)];
  const resource = kernel === undefined ? [step(`create resource ${name}`, commands.newResource(name))] : [];
  return [
    ...resource,
    step(`create the device of ${name}`, commands.newMinor(name)),
    ...(attach ? [step(`attach the disk of ${name}`, commands.attach(name))] : []),
  ];
}

function planRunning(desired: DesiredReplica, kernel: ResourceState): Plan {
  const { name } = desired.config;
  const talks = kernel.connection !== undefined && kernel.connection.state !== "StandAlone";
  if (desired.connect && !talks)
    return {
      kind: "steps",
      steps: [
        desired.discard === true
          ? step(`connect ${name} and give up what was written here`, commands.connectDiscarding(name))
          : step(`connect ${name} to its peer`, commands.connect(name)),
      ],
    };
  if (!desired.connect && talks)
    return { kind: "steps", steps: [step(`disconnect ${name} from its peer`, commands.disconnect(name))] };
  const first = planFirstGeneration(desired, kernel);
  if (first !== undefined) return first;
  if (desired.role !== kernel.role) return planRole(desired, kernel);
  return { kind: "steps", steps: planResize(desired, kernel) };
}

function planFirstGeneration(desired: DesiredReplica, kernel: ResourceState): Plan | undefined {
  if (desired.firstGeneration === "none" || kernel.device?.diskState !== "Inconsistent") return undefined;
  const { name } = desired.config;
  const ready = kernel.connection?.state === "Connected" && kernel.connection.peerDiskState === "Inconsistent";
  // Both sides must be seen empty and connected: an Inconsistent disk facing data is that data's target.
  if (!ready) return { kind: "steps", steps: [] };
  const effect = desired.firstGeneration === "skip-sync" ? commands.skipFirstSync(name) : commands.promoteFirst(name);
  return { kind: "steps", steps: [step(`set the first data generation of ${name}`, effect)] };
}

function planRole(desired: DesiredReplica, kernel: ResourceState): Plan {
  const { name, twoPrimaries } = desired.config;
  if (desired.role === "Secondary")
    return { kind: "steps", steps: [step(`make ${name} secondary`, commands.demote(name))] };
  if (kernel.connection?.peerRole === "Primary" && !twoPrimaries)
    return blocked("PeerIsPrimary", `${name} is primary on ${desired.config.peer.nodeName}`);
  // `Consistent`: what it says of itself since it was attached alone; DRBD asks for leave before it believes that.
  const ownData = kernel.device?.diskState === "UpToDate" || kernel.device?.diskState === "Consistent";
  if (!ownData)
    return blocked("DataNotUpToDate", `the disk of ${name} is ${kernel.device?.diskState ?? "not attached"} here`);
  return { kind: "steps", steps: [step(`make ${name} primary`, commands.promote(name))] };
}

/** Growing is the primary's act, and only with both sides there; DRBD itself refuses when a backing device is small. */
function planResize(desired: DesiredReplica, kernel: ResourceState): Step[] {
  const size = kernel.device?.sizeBytes ?? 0;
  const whole =
    kernel.role === "Primary" &&
    kernel.device?.diskState === "UpToDate" &&
    kernel.connection?.replication === "Established" &&
    kernel.connection.peerDiskState === "UpToDate";
  if (!whole || size === 0 || size >= desired.sizeBytes) return [];
  return [step(`grow ${desired.config.name} to ${desired.sizeBytes} bytes`, commands.resize(desired.config.name))];
}

/** Grown as far as the devices allow: where they are smaller than was thought, the next attempt would do no more. */
export const isGrowth = (plan: Plan): boolean =>
  plan.kind === "steps" && plan.steps.some(({ effect }) => effect.kind === "run" && effect.argv.includes("resize"));

export const planDemotion = (name: string): Plan => ({
  kind: "steps",
  steps: [step(`make ${name} secondary`, commands.demote(name))],
});

/** How a resource leaves this host; `wipe`: its metadata goes too. An open holder makes `secondary` fail, before `down`. */
export function planRemoval(
  name: string,
  observed: ObservedReplica,
  options: { readonly wipe: boolean },
): Extract<Plan, { kind: "steps" }> {
  const steps: Step[] = [];
  if (observed.kernel?.role === "Primary") steps.push(step(`make ${name} secondary`, commands.demote(name)));
  if (observed.kernel !== undefined) steps.push(step(`take ${name} down`, commands.downKernel(name)));
  if (observed.configFile !== undefined) {
    if (options.wipe && observed.metadata === "yes")
      steps.push(step(`wipe the metadata of ${name}`, commands.wipeMetadata(name)));
    steps.push(step(`remove the configuration of ${name}`, commands.removeFile(configPath(name))));
  }
  return { kind: "steps", steps };
}
