import type { Host } from "../../crds/generated/host.ts";
import type { BlockSource, VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { isConditionTrue } from "../../machinery/conditions.ts";
import { type PlaceSources, sourceHost, sourceName } from "../block-source.ts";

/** Where a disk can be used; `now`: without anything having to be moved. */
export interface DiskHosts {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly now: string | undefined;
  /** Why there is none, when `hosts` is empty. */
  readonly problem: string | undefined;
}

export interface DiskWorld extends PlaceSources {
  readonly hosts: readonly Host[];
}

/**
 * Where each disk of a guest can be used: a Volume and an Import on their host, a Mirror on its primary or where it can be
 * promoted: on a member, while the present primary is there to step down, and unless an administrator demands a primary.
 */
export function diskHosts(vm: VirtualMachine, world: DiskWorld): readonly DiskHosts[] {
  const { namespace } = vm.metadata;
  return (vm.spec.disks ?? []).map(({ target, source }) => {
    const name = `disk ${target} (${sourceName(source)})`;
    const host = sourceHost(namespace, source, world);
    if (typeof host !== "string") return { name, hosts: [], now: undefined, problem: `${name}: ${host.message}` };
    return { name, hosts: [host, ...promotable(namespace, source, host, world)], now: host, problem: undefined };
  });
}

function promotable(namespace: string, source: BlockSource, primary: string, world: DiskWorld): readonly string[] {
  if (source.mirrorRef === undefined) return [];
  const mirror = world.mirrors.get({ namespace, name: source.mirrorRef.name });
  const present = world.hosts.find(({ metadata }) => metadata.name === primary);
  if (mirror?.spec.primary?.hostName !== undefined || !isConditionTrue(present?.status?.conditions, "Ready")) return [];
  return (mirror?.status?.members ?? []).filter((member) => member !== primary);
}
