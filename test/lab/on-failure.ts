import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach } from "vitest";
import { running } from "./cluster-fixture.ts";

const FOLDER = resolve(import.meta.dirname, "../../.ferrite/failed");
/** What a machine has to tell: its agent's log, DRBD's state, the kernel's last words. */
const ASK = "tail -n 4000 /persist/agent.log; drbdsetup events2 --now; drbdsetup show; dmesg | tail -n 150; lsblk";
const KINDS =
  "hosts,hostpairs,volumegroups,volumes,snapshots,mirrors,mirrorreplicas,exports,imports,virtualmachines,leases";

/** A failed test leaves the world as it was at that moment in `.ferrite/failed/`: machines and store are gone when the run ends. */
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const fixture of running) {
    const { name } = fixture.lab;
    const said = [`${task.name}\n`, await words(() => fixture.kubectl("get", KINDS, "-A", "-o", "yaml"))];
    said.push(await words(() => fixture.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp")));
    for (const host of fixture.hosts)
      said.push(`\n===== ${host}\n${await words(() => fixture.lab.guest(host).sh(ASK, { timeoutMs: 30_000 }))}`);
    await mkdir(FOLDER, { recursive: true });
    const file = join(FOLDER, `${name}-${task.name.replaceAll(/\W+/g, "-").slice(0, 60)}.txt`);
    await writeFile(file, said.join("\n"));
    console.log(`the state of the lab when this failed: ${file}`);
  }
});

/** A machine that is off is a fact worth keeping too. */
async function words(ask: () => Promise<string>): Promise<string> {
  try {
    return await ask();
  } catch (error) {
    return `not to be had: ${String(error)}`;
  }
}
