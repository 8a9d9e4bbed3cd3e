import { describe, expect, it } from "vitest";
import { ModelDisk } from "../../../../executors/model/disk.ts";
import { DrbdModel } from "../../../../executors/model/drbd.ts";
import type { ModelReplica } from "../../../../executors/model/replica.ts";
import { DrbdTools } from "../../../../executors/model/tools.ts";
import { seededRandom } from "../../../../machinery/random.ts";
import { VirtualClock } from "../../../../machinery/virtual-clock.ts";

/** What safety rests on, and what is unkind about it: DRBD 8.4 as its source and a real kernel have it. */
async function twoHosts() {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const answers = new Map<string, (code: number | undefined) => void>();
  const model = new DrbdModel({
    clock,
    random: seededRandom(1),
    hosts: ["a", "b"],
    changed: () => undefined,
    helper: (host, event) => {
      asked.push(`${host} ${event}`);
      if (event !== "fence-peer") return Promise.resolve(0);
      return new Promise((resolve) => answers.set(host, resolve));
    },
  });
  const disks = { a: new ModelDisk("/dev/a"), b: new ModelDisk("/dev/b") };
  const tools = (host: "a" | "b") => new DrbdTools(model, host, new Map([[`/dev/${host}`, disks[host]]]));
  const options = { twoPrimaries: false, fencing: "resource-and-stonith", onNoData: "suspend-io", minor: 1 };
  const bringUp = (host: "a" | "b") => {
    tools(host).newResource("r", { ...options, onIoError: "call-local-io-error", diskPath: `/dev/${host}` });
    tools(host).newMinor("r");
    tools(host).attach("r");
    tools(host).connect("r");
  };
  const replica = (host: "a" | "b") => model.kernel(host).get("r") as ModelReplica;
  const write = (host: "a" | "b", block: number) => {
    const result = { state: "waits" };
    model.write(replica(host), block, (ok) => (result.state = ok ? "done" : "failed"));
    return result;
  };
  for (const host of ["a", "b"] as const) {
    tools(host).createMetadata(`/dev/${host}`);
    bringUp(host);
  }
  await clock.advance(10_000);
  tools("a").skipFirstSync("r");
  await tools("a").promote("r", false);
  await clock.advance(1000);
  const lose = async () => {
    model.link.cut();
    await clock.advance(10_000);
  };
  return { clock, model, tools, replica, write, asked, answers, disks, bringUp, lose };
}

describe("DrbdModel", () => {
  it("acknowledges a write when both disks have it", async () => {
    const { write, clock, disks } = await twoHosts();
    const first = write("a", 1);
    expect(first.state).toBe("waits");
    await clock.advance(100);
    expect([first.state, disks.a.blocks.has(1), disks.b.blocks.has(1)]).toEqual(["done", true, true]);
  });

  it("freezes a primary that loses its peer, asks once, and goes on after exit code 4 with a new generation", async () => {
    const { lose, write, clock, replica, asked, answers, disks } = await twoHosts();
    const before = disks.a.metadata?.current;
    await lose();
    const waiting = write("a", 1);
    await clock.advance(60_000);
    expect([replica("a").suspended, waiting.state]).toEqual([true, "waits"]);
    expect(asked.filter((call) => call === "a fence-peer")).toHaveLength(1);
    answers.get("a")?.(4);
    await clock.advance(100);
    expect([replica("a").suspended, waiting.state, replica("a").peerDisk]).toEqual([false, "done", "Outdated"]);
    expect(disks.a.metadata?.current).not.toBe(before);
  });

  it.each([undefined, 0, 1])("stays frozen after exit code %s", async (code) => {
    const { lose, clock, replica, answers } = await twoHosts();
    await lose();
    answers.get("a")?.(code);
    await clock.advance(60_000);
    expect(replica("a").suspended).toBe(true);
  });

  it("ignores the answer to an earlier loss", async () => {
    const { model, lose, clock, replica, answers } = await twoHosts();
    await lose();
    const old = answers.get("a");
    model.link.mend();
    await clock.advance(20_000);
    await lose();
    old?.(4);
    await clock.advance(1000);
    expect(replica("a").suspended).toBe(true);
  });

  it("sends what waited once more when the peer is back, without anybody's word", async () => {
    const { model, lose, write, clock, disks } = await twoHosts();
    await lose();
    const waiting = write("a", 1);
    model.link.mend();
    await clock.advance(20_000);
    expect([waiting.state, disks.b.blocks.has(1)]).toEqual(["done", true]);
  });

  it("completes what waited on one side alone when a restarted peer comes back", async () => {
    const { model, write, clock, bringUp } = await twoHosts();
    model.powerOff("b");
    const waiting = write("a", 1);
    await clock.advance(10_000);
    expect(waiting.state).toBe("waits");
    bringUp("b");
    await clock.advance(3500);
    expect(waiting.state).toBe("done");
  });

  it("copies in a full resync also what was on its way to the source's disk when it began", async () => {
    const { model, write, clock, disks, tools } = await twoHosts();
    disks.a.failed = true;
    write("a", 1);
    await clock.advance(1000);
    disks.a.failed = false;
    disks.b.latencyMs = 6000; // served by the other side, and there it takes its time
    const slow = write("a", 2);
    await clock.advance(10);
    tools("a").createMetadata("/dev/a");
    tools("a").attach("r");
    await clock.advance(20_000);
    expect([slow.state, model.kernel("a").get("r")?.diskState]).toEqual(["done", "UpToDate"]);
    expect([disks.a.blocks.has(1), disks.a.blocks.has(2)]).toEqual([true, true]);
  });

  it("writes nothing to a disk from a kernel that is gone", async () => {
    const { model, clock, disks, bringUp } = await twoHosts();
    model.powerOff("a");
    model.powerOff("b");
    bringUp("b");
    Object.assign(disks.b.metadata ?? {}, { peerOutdated: true });
    await clock.advance(10_000); // what the kernel of before would have noticed by now
    expect(model.kernel("b").get("r")?.net).toBe("Connecting");
    expect(disks.b.metadata?.peerOutdated).toBe(true);
  });

  it("neither freezes nor asks when the peer's disk fails", async () => {
    const { write, clock, replica, asked, disks } = await twoHosts();
    disks.b.failed = true;
    const first = write("a", 1);
    await clock.advance(1000);
    expect([first.state, replica("a").suspended, replica("a").peerDisk]).toEqual(["done", false, "Diskless"]);
    expect(asked).toContain("b local-io-error");
    expect(asked).not.toContain("a fence-peer");
    expect(disks.b.metadata?.wasUpToDate).toBe(true);
  });

  it("asks before it promotes a side that stands alone, and not when it remembers that the peer is behind", async () => {
    const { model, tools, lose, clock, asked, answers, replica, bringUp } = await twoHosts();
    await lose();
    answers.get("a")?.(4);
    await clock.advance(100);
    const promoting = tools("b").promote("r", false);
    void promoting.catch(() => undefined);
    await clock.advance(100);
    expect(asked).toContain("b fence-peer");
    model.powerOff("a");
    asked.length = 0;
    bringUp("a");
    await tools("a").promote("r", false);
    expect([replica("a").role, asked.length]).toEqual(["Primary", 0]);
  });

  it("makes a crashed primary the source of the resync", async () => {
    const { model, clock, bringUp, replica, asked } = await twoHosts();
    model.powerOff("a");
    await clock.advance(10_000);
    bringUp("a");
    await clock.advance(3500);
    expect(asked).toContain("b before-resync-target");
    expect(replica("b").peerDisk).toBe("UpToDate");
  });

  it("parts a frozen primary from a side that was promoted meanwhile", async () => {
    const { model, tools, lose, clock, answers, replica } = await twoHosts();
    await lose();
    tools("b").disconnect("r");
    const promoting = tools("b").promote("r", false);
    await clock.advance(10);
    answers.get("b")?.(4);
    await promoting;
    tools("b").connect("r");
    model.link.mend();
    await clock.advance(20_000);
    expect([replica("a").net, replica("b").net, replica("a").suspended]).toEqual(["StandAlone", "StandAlone", true]);
  });

  it("releases everything on resume-io", async () => {
    const { lose, write, tools, clock } = await twoHosts();
    await lose();
    const waiting = write("a", 1);
    tools("a").resume(1);
    await clock.advance(100);
    expect(waiting.state).toBe("done");
  });
});
