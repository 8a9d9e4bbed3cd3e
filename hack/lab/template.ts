import { closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { enterNetwork } from "./network.ts";
import { isAlive, kill, start } from "./process.ts";
import { type Machine, qemuArgv } from "./qemu.ts";
import { Qmp } from "./qmp.ts";
import type { LabState } from "./state.ts";

const BOOT_TIMEOUT_MS = 240_000;

/**
 * Boots one machine to the point where it waits for its name, and keeps its memory (a file on a tmpfs) and its devices' state.
 * Clones start from there: seconds instead of a boot each. Valid only for this QEMU with these arguments: never cached.
 */
export async function makeTemplate(
  template: Machine,
  statePath: string,
  lab: Pick<LabState, "network">,
): Promise<void> {
  const logPath = `${template.consoleLog}.qemu`;
  const qemu = start(enterNetwork(lab.network, qemuArgv(template)), { logPath, diesWithUs: true });
  try {
    await waitForLine(template.consoleLog, "LAB-WAIT", () => isAlive(qemu), logPath);
    const qmp = await Qmp.connect(template.sockets.qmp, () => isAlive(qemu));
    await qmp.saveState(statePath);
    qmp.close();
  } finally {
    await kill(qemu);
  }
}

/** A new file of that apparent size that takes no room. */
export function makeSparse(path: string, sizeBytes: number): void {
  const file = openSync(path, "w");
  ftruncateSync(file, sizeBytes);
  closeSync(file);
}

async function waitForLine(path: string, line: string, alive: () => boolean, logPath: string): Promise<void> {
  const deadline = performance.now() + BOOT_TIMEOUT_MS;
  for (;;) {
    const text = readIfThere(path);
    if (text.includes("LAB-ERROR") || text.includes("Kernel panic")) throw new Error(`the template: ${text}`);
    if (text.includes(line)) return;
    if (!alive()) throw new Error(`the template's QEMU ended: ${readIfThere(logPath)}${text}`);
    if (performance.now() > deadline) throw new Error(`the template did not boot in ${BOOT_TIMEOUT_MS} ms: ${text}`);
    await sleep(50);
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
