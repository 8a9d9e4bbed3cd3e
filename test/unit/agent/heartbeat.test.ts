import { expect, it } from "vitest";
import { Heartbeat } from "../../../agent/heartbeat.ts";
import { ApiStatusError } from "../../../client/errors.ts";
import type { Lease } from "../../../controllers/lease.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { VirtualClock } from "../../../machinery/virtual-clock.ts";

/** An API with one Lease, that notes what it was asked. */
class Leases {
  asked: string[] = [];
  lease: Lease | undefined;
  #version = 0;

  #refuse(code: number, reason: string): never {
    throw new ApiStatusError({
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      code,
      reason,
      message: reason,
    } as never);
  }

  #store(lease: Lease): Lease {
    const resourceVersion = String(++this.#version);
    return (this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion } });
  }

  /** As another machine of the same name would. */
  steal(): void {
    if (this.lease !== undefined) this.#store({ ...this.lease, spec: { ...this.lease.spec, holderIdentity: "other" } });
  }

  readonly client = {
    get: async () => {
      this.asked.push("get");
      return this.lease ?? this.#refuse(404, "NotFound");
    },
    create: async (_: unknown, lease: Lease) => {
      this.asked.push("create");
      return this.#store(lease);
    },
    update: async (_: unknown, lease: Lease) => {
      this.asked.push("update");
      if (this.lease === undefined) return this.#refuse(404, "NotFound");
      if (lease.metadata.resourceVersion !== this.lease.metadata.resourceVersion) return this.#refuse(409, "Conflict");
      return this.#store(lease);
    },
  };
}

async function beating(leases: Leases, beats: (clock: VirtualClock) => Promise<void>): Promise<void> {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const options = { hostName: "alpha", bootID: "b1", intervalMs: 2000, leaseSeconds: 6, log: silentLogger };
  const running = new Heartbeat({ ...options, client: leases.client as never, clock }).run(stop.signal);
  await beats(clock);
  stop.abort(new Error("enough"));
  await running;
}

it("makes the Lease, and renews it with one request a beat", async () => {
  const leases = new Leases();
  await beating(leases, async (clock) => {
    await clock.advance(1);
    expect(leases.asked).toEqual(["get", "create"]);
    await clock.advance(4000);
    expect(leases.asked.slice(2)).toEqual(["update", "update"]);
  });
  expect(leases.lease?.spec).toMatchObject({ holderIdentity: "alpha_b1", leaseDurationSeconds: 6 });
});

it("reads again, in the same beat, what another wrote or took away", async () => {
  const leases = new Leases();
  await beating(leases, async (clock) => {
    await clock.advance(1);
    leases.steal();
    leases.asked = [];
    await clock.advance(2000);
    expect(leases.asked).toEqual(["update", "get", "update"]);
    expect(leases.lease?.spec).toMatchObject({ holderIdentity: "alpha_b1" });
    leases.lease = undefined;
    leases.asked = [];
    await clock.advance(2000);
    expect(leases.asked).toEqual(["update", "get", "create"]);
  });
});
