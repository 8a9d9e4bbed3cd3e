import { randomBytes } from "node:crypto";
import { type HostIdentity, requestIdentity } from "../../agent/join.ts";
import { runAgent } from "../../agent/start.ts";
import { hostTokenSecret } from "../../apiserver/access/tokens/bootstrap-tokens.ts";
import { httpsTransport } from "../../client/https-transport.ts";
import { RestClient } from "../../client/rest.ts";
import type { Connection } from "../../client/transport.ts";
import { ModelDisk } from "../../executors/model/disk.ts";
import { DrbdModel } from "../../executors/model/drbd.ts";
import { LvmModel } from "../../executors/model/lvm.ts";
import { ModelMachine } from "../../executors/model/machine.ts";
import { modelMailbox } from "../../executors/model/mailbox.ts";
import { sleep, systemClock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { systemRandom } from "../../machinery/random.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";

const SECRETS: ResourceType<KubeObject & { readonly metadata: { readonly name: string } }> = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
};
const TOKEN_LIFE_MS = 15 * 60_000;
/** All agents share one thread; one of them that waits for it is not a lost machine. */
const LEASE_SECONDS = 15;
const JOIN_ATTEMPTS = 5;
const DISKS = [1, 2, 3];
const DISK_BYTES = 64 * 2 ** 30;

export interface SimulatedClusterOptions {
  readonly hosts: readonly string[];
  /** The administrator's way to the API: one certificate authority, by which the agents know it too. */
  readonly connection: Connection;
  readonly log: Logger;
}

/** Names of `count` machines: the lab's three, so that its manifests fit, then numbered ones. */
export const hostNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => ["alpha", "beta", "gamma"][index] ?? `host-${index + 1}`);

/**
 * Machines that are models of LVM and DRBD on the real clock, and a real agent on each, joined to a real API as any other. All of
 * it lives in this process and ends with it.
 */
export class SimulatedCluster {
  readonly #options: SimulatedClusterOptions;
  readonly #machines = new Map<string, ModelMachine>();
  readonly #drbd: DrbdModel;

  constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    this.#drbd = new DrbdModel({
      clock: systemClock,
      random: systemRandom,
      hosts: options.hosts,
      helper: (host, event, subject) => this.#machine(host).helper(event, subject),
      changed: ({ host, name }) => this.#machine(host).notify(name),
    });
    for (const name of options.hosts) this.#machines.set(name, this.#makeMachine(name));
  }

  /** Joins all hosts and runs their agents until `signal` fires; `joined` is called when the last one has its certificate. */
  async run(joined: () => void, signal: AbortSignal): Promise<void> {
    const { hosts } = this.#options;
    const agents = await Promise.all(hosts.map(async (name, index) => this.#join(name, index, signal)));
    joined();
    await Promise.all(agents.map((run) => run()));
  }

  #machine(name: string): ModelMachine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new RangeError(`there is no machine ${name}`);
    return machine;
  }

  #makeMachine(name: string): ModelMachine {
    const lvm = new LvmModel();
    const disks = DISKS.map((number) => {
      const path = `/dev/vd${"abcdefgh"[number]}`;
      lvm.withDisk(path, { sizeBytes: DISK_BYTES });
      lvm.links.set(`/dev/disk/by-id/virtio-${name}-disk${number}`, path);
      return new ModelDisk(path, DISK_BYTES);
    });
    const model = () => this.#drbd;
    const machine = new ModelMachine(name, disks, { clock: systemClock, random: systemRandom, model, lvm });
    machine.powerOn();
    return machine;
  }

  async #join(name: string, index: number, signal: AbortSignal): Promise<() => Promise<void>> {
    const { connection, log } = this.#options;
    const machine = this.#machine(name);
    const { servers, ca } = connection;
    const api = { servers, ...(ca === undefined ? {} : { ca }) };
    const { certificatePem, keyPem } = await this.#identity(name, api, signal);
    const own = httpsTransport({ ...api, credentials: async () => ({ cert: certificatePem, key: keyPem }) });
    const options = {
      hostName: name,
      address: `10.88.${Math.floor(index / 250)}.${(index % 250) + 1}`,
      transport: own.transport,
      exec: machine.executor,
      follow: machine.follow,
      mailbox: modelMailbox(machine),
      hypervisors: {},
      clock: systemClock,
      random: systemRandom,
      log: log.child({ host: name }),
      stateDir: "/var/lib/ferrite",
      helperPath: "/usr/lib/ferrite/drbd-helper",
      version: "simulated",
      leaseSeconds: LEASE_SECONDS,
    };
    return () => runAgent(options, signal).finally(own.close);
  }

  /** A control plane that has just started, or is busy, may refuse for a while; each attempt takes a new token. */
  async #identity(name: string, api: Pick<Connection, "servers" | "ca">, signal: AbortSignal): Promise<HostIdentity> {
    for (let attempt = 1; ; attempt++) {
      let close = () => {};
      try {
        const token = await makeToken(this.#options.connection, name, signal);
        const joining = httpsTransport({ ...api, credentials: async () => ({ token }) });
        close = joining.close;
        const client = new RestClient({ transport: joining.transport, clock: systemClock, userAgent: "ferrite-join" });
        return await requestIdentity(client, name, systemClock, signal);
      } catch (err) {
        if (attempt === JOIN_ATTEMPTS || signal.aborted) throw err;
        this.#options.log.warn({ err, host: name, attempt }, "could not join");
      } finally {
        close();
      }
      await sleep(systemClock, 2000 * attempt, signal);
    }
  }
}

async function makeToken(connection: Connection, host: string, signal: AbortSignal): Promise<string> {
  const [id, secret] = [randomBytes(3).toString("hex"), randomBytes(8).toString("hex")];
  const expires = new Date(systemClock.now().getTime() + TOKEN_LIFE_MS);
  const { transport, close } = httpsTransport(connection);
  try {
    const client = new RestClient({ transport, clock: systemClock, userAgent: "ferrite-simulated" });
    await client.create(SECRETS, hostTokenSecret({ id, secret, host, expires }) as never, signal);
  } finally {
    close();
  }
  return `${id}.${secret}`;
}
