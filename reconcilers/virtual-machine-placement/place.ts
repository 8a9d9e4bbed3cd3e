import type { Host } from "../../crds/generated/host.ts";
import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { isConditionTrue } from "../../machinery/conditions.ts";
import { parseBytes } from "../../machinery/quantity.ts";
import { labelSelectorTerms, matchesLabels } from "../../machinery/selectors.ts";
import { type DiskHosts, diskHosts, type DiskWorld } from "./disks.ts";

export interface PlacementWorld extends DiskWorld {
  /** All guests, this one too or not. */
  readonly vms: readonly VirtualMachine[];
  /** The host that a guest is on, or will be. */
  readonly hostOf: (vm: VirtualMachine) => string | undefined;
}

export type VmPlacement =
  | { readonly kind: "placed"; readonly hostName: string }
  | { readonly kind: "unplaced"; readonly reason: string; readonly message: string };

/** A host that fits: the better one comes first. */
interface Candidate {
  readonly hostName: string;
  readonly freeBytes: number;
  /** Mirrors whose primary would have to move here. */
  readonly moves: number;
}

/** The host for a guest that runs nowhere: the one it was on if that fits, else the best of those that fit. */
export function placeVm(vm: VirtualMachine, world: PlacementWorld): VmPlacement {
  const disks = diskHosts(vm, world);
  const missing = disks.find(({ problem }) => problem !== undefined);
  if (missing?.problem !== undefined)
    return { kind: "unplaced", reason: "DiskMissing", message: `waits for ${missing.problem}` };
  const verdicts = world.hosts.map((host) => judge(host, vm, disks, world));
  const fitting = verdicts.filter((verdict) => typeof verdict !== "string");
  const [best] = fitting.toSorted((a, b) => compare(a, b, preferences(vm, world)));
  if (best !== undefined) return { kind: "placed", hostName: best.hostName };
  const why = verdicts.filter((verdict) => typeof verdict === "string").join("; ");
  return {
    kind: "unplaced",
    reason: "Unschedulable",
    message: `0/${world.hosts.length} hosts can run it${why === "" ? ": there is no Host" : `: ${why}`}`,
  };
}

/** Asked for, then where it is already. */
const preferences = (vm: VirtualMachine, world: PlacementWorld): readonly (string | undefined)[] => [
  vm.spec.placement?.preferredHost,
  world.hostOf(vm),
];

function compare(a: Candidate, b: Candidate, preferred: readonly (string | undefined)[]): number {
  for (const host of preferred) {
    if (a.hostName === host && b.hostName !== host) return -1;
    if (b.hostName === host && a.hostName !== host) return 1;
  }
  return a.moves - b.moves || b.freeBytes - a.freeBytes || (a.hostName < b.hostName ? -1 : 1);
}

/** The host as a candidate, or what speaks against it. */
function judge(host: Host, vm: VirtualMachine, disks: readonly DiskHosts[], world: PlacementWorld): Candidate | string {
  const hostName = host.metadata.name;
  const against = hostProblem(host) ?? placementProblem(host, vm, world) ?? diskProblem(hostName, disks);
  if (against !== undefined) return `${hostName}: ${against}`;
  const freeBytes = freeMemory(host, vm, world);
  const asked = parseBytes(String(vm.spec.memory.size));
  if (asked > freeBytes)
    return `${hostName}: ${vm.spec.memory.size} of memory are asked for, ${mebibytes(freeBytes)} of ${mebibytes(allocatable(host))} are left`;
  return { hostName, freeBytes, moves: disks.filter(({ now }) => now !== hostName).length };
}

const mebibytes = (bytes: number): string => `${Math.floor(Math.max(0, bytes) / 2 ** 20)}Mi`;

function hostProblem({ spec, status }: Host): string | undefined {
  if (!isConditionTrue(status?.conditions, "Ready")) return "is not Ready";
  if (spec.unschedulable) return "is unschedulable";
  return spec.maintenance === "None" ? undefined : "is being drained";
}

function placementProblem(host: Host, vm: VirtualMachine, world: PlacementWorld): string | undefined {
  const { hostName, hostSelector, antiAffinity } = vm.spec.placement ?? {};
  const { name, labels } = host.metadata;
  if (hostName !== undefined && hostName !== name) return `spec.placement.hostName asks for ${hostName}`;
  if (hostSelector !== undefined && !matchesLabels(labelSelectorTerms(hostSelector), labels))
    return "spec.placement.hostSelector does not match its labels";
  if (!has(vm.spec.hypervisor, host)) return `does not run ${vm.spec.hypervisor}`;
  if (antiAffinity === undefined) return undefined;
  const terms = labelSelectorTerms(antiAffinity);
  const rival = othersOn(name, vm, world).find(
    ({ metadata }) => metadata.namespace === vm.metadata.namespace && matchesLabels(terms, metadata.labels),
  );
  return rival === undefined ? undefined : `spec.placement.antiAffinity keeps it away from ${rival.metadata.name}`;
}

const has = (hypervisor: VirtualMachine["spec"]["hypervisor"], { status }: Host): boolean =>
  (hypervisor === "Xen" ? status?.software?.xen : status?.software?.qemu) !== undefined;

function diskProblem(hostName: string, disks: readonly DiskHosts[]): string | undefined {
  const away = disks.find(({ hosts }) => !hosts.includes(hostName));
  return away === undefined ? undefined : `${away.name} is on ${away.hosts.join(" or ")}`;
}

const allocatable = ({ status }: Host): number => parseBytes(status?.allocatable?.memory ?? "0");

/** What the host gives to guests, less what those have that are on it or on their way. */
function freeMemory(host: Host, vm: VirtualMachine, world: PlacementWorld): number {
  const others = othersOn(host.metadata.name, vm, world);
  return others.reduce((left, { spec }) => left - parseBytes(String(spec.memory.size)), allocatable(host));
}

/** A guest that is halted takes no room; one that has not ended yet does. */
const othersOn = (hostName: string, vm: VirtualMachine, { vms, hostOf }: PlacementWorld): readonly VirtualMachine[] =>
  vms.filter(
    (other) =>
      other.metadata.uid !== vm.metadata.uid &&
      hostOf(other) === hostName &&
      (other.spec.runStrategy === "Always" || other.status?.run?.hostName !== undefined),
  );

/** What of `spec.placement` a guest's present host does not satisfy. */
export function misplaced(vm: VirtualMachine, host: Host, world: PlacementWorld): string | undefined {
  return placementProblem(host, vm, world);
}
