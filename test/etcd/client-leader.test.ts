import { type ChildProcess, spawn } from "node:child_process";
import { expect, it, vi } from "vitest";
import { CONFIG_MAPS, lead } from "./elector-work.ts";
import { startServed, type Served } from "./served.ts";

function startProcess(served: Served, identity: string): { child: ChildProcess; said: string[] } {
  const argv = ["test/etcd/elector-process.ts", served.url, served.pkiDirectory, identity];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  child.stdout?.on("data", (chunk: Buffer) => said.push(...chunk.toString().trim().split("\n")));
  return { child, said };
}

/** Who wrote, in the order in which etcd took the writes. */
async function writers(served: Served): Promise<string[]> {
  const { items } = await served.client.list(CONFIG_MAPS, { namespace: "default" });
  return items
    .filter(({ metadata }) => /^(frozen|other)-\d+$/.test(metadata.name ?? ""))
    .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
    .map(({ metadata }) => metadata.name?.split("-")[0] ?? "");
}

it("a process that was frozen while it led writes nothing once another leads", async () => {
  await using served = await startServed();
  const { child, said } = startProcess(served, "frozen");
  const stop = new AbortController();
  const said2: string[] = [];
  try {
    await vi.waitFor(() => expect(said).toEqual(["leads"]), { timeout: 20_000 });
    const other = lead(served.transport, "other", stop.signal, (what) => said2.push(what));
    await vi.waitFor(async () => expect((await writers(served)).length).toBeGreaterThan(20), { timeout: 20_000 });
    expect(said2).toEqual([]);
    child.kill("SIGSTOP");
    await vi.waitFor(() => expect(said2).toEqual(["leads"]), { timeout: 20_000 });
    const wrote = async (who: string) => (await writers(served)).filter((each) => each === who).length;
    await vi.waitFor(async () => expect(await wrote("other")).toBeGreaterThan(20), { timeout: 20_000 });
    child.kill("SIGCONT");
    await vi.waitFor(() => expect(said).toEqual(["leads", "ends"]), { timeout: 20_000 });
    const until = (await wrote("other")) + 50;
    await vi.waitFor(async () => expect(await wrote("other")).toBeGreaterThan(until), { timeout: 20_000 });
    const order = (await writers(served)).join(" ");
    expect(order).toMatch(/^(frozen )+(other ?)+$/);
    expect(said).toEqual(["leads", "ends"]);
    stop.abort();
    await other;
    // The Lease was given back: the thawed one leads again, long before it would have expired.
    await vi.waitFor(() => expect(said).toEqual(["leads", "ends", "leads"]), { timeout: 2500 });
  } finally {
    stop.abort();
    child.kill("SIGCONT");
    child.kill("SIGKILL");
  }
});
