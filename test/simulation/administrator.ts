import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { HOSTS, type HostName, MIRROR_NAMES, PAIR, type World } from "./world.ts";

const RESTART_MS = 1000;

/** A person who restarts machines that stay frozen, and does what conditions ask for. */
export class Administrator {
  readonly #world: World;
  /** How often a copy in doubt was answered. */
  words = 0;

  constructor(world: World) {
    this.#world = world;
  }

  restartIfFrozen(host: HostName): void {
    const frozen = [...this.#world.drbd.kernel(host).values()].some(({ suspended }) => suspended);
    if (frozen) this.#restart(host, 5 * RESTART_MS);
  }

  #restart(host: HostName, forMs: number): void {
    this.#world.powerOff(host);
    this.#world.clock.schedule(forMs, () => this.#world.powerOn(host));
  }

  /** Looks after the mirrors that say that a copy is in doubt, and names one of the copies that can be named, any. */
  answerDoubts(): void {
    for (const name of MIRROR_NAMES) this.#answerDoubt(name);
  }

  #answerDoubt(name: string): void {
    const world = this.#world;
    const entry = world.entry(name);
    const member = HOSTS.find((host) => entry?.members.includes(host));
    if (entry?.inDoubt !== true || member === undefined) return;
    const said = readyOf(world, name, member);
    const word = /--type=merge -p '(.*)'$/.exec(said?.reason === "CopyInDoubt" ? said.message : "")?.[1];
    if (word === undefined) return;
    const peer = HOSTS.find((host) => host !== member) ?? member;
    const disk = world.drbd.kernel(peer).get(name)?.diskState;
    const usable = disk === "UpToDate" || disk === "Consistent";
    const inUse = world.drbd.kernel(member).get(name)?.role === "Primary";
    const named = usable && (inUse || world.random.next() < 0.5) ? peer : member;
    if (inUse && named === member) return this.#restart(member, RESTART_MS);
    this.words++;
    world.log(`administrator: the copy of ${name} on ${named} counts`);
    const request = {
      method: "PATCH" as const,
      path: `/apis/ferrite.dev/v1alpha1/hostpairs/${PAIR}`,
      headers: { "content-type": "application/merge-patch+json" },
      body: word.replace("…", named),
    };
    world.store.handle(request, "admin");
  }
}

function readyOf(world: World, name: string, host: string) {
  const object = world.store.get("mirrorreplicas", "default", `${name}-${host}`) as MirrorReplica | undefined;
  return object?.status?.conditions?.find(({ type }) => type === "Ready");
}

/** The record of one mirror and both its sides, in words. */
export function describeMirror(world: World, name: string): string[] {
  const entry = world.entry(name);
  const record = [
    `${name}: members ${entry?.members.join("+") ?? "-"}`,
    `primary ${entry?.primary ?? "-"} (wanted ${world.mirror(name)?.spec.primary?.hostName})`,
    `restarted ${entry?.restarted?.join("+") ?? "-"}`,
    ...(entry?.inDoubt === true ? ["in doubt"] : []),
  ];
  const sides = HOSTS.map((host) => {
    const { role, diskState, peerDisk, net, replication, suspended } = world.drbd.kernel(host).get(name) ?? {};
    const { blocks, knownBehind } = world.copy(host, name);
    const missing = [...world.checks.of(name).blocks].filter((block) => !blocks.has(block)).length;
    const ready = readyOf(world, name, host);
    const kernel = `${role} ${diskState}/${peerDisk} ${net} ${replication}${suspended === true ? " frozen" : ""}`;
    return `  ${host}: ${kernel}, lacks ${missing}${knownBehind ? " (knows)" : ""}: ${ready?.reason}: ${ready?.message}`;
  });
  return [record.join(", "), ...sides];
}
