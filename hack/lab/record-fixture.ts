/** Plays the scenes in a lab of their own and keeps what the tools said; `hack/record-fixture` calls it. */
import { blockScene } from "./fixtures/block.ts";
import { drbdScene } from "./fixtures/drbd.ts";
import { xenScene } from "./fixtures/xen.ts";
import { lvmScene } from "./fixtures/lvm.ts";
import type { Scene } from "./fixtures/recorder.ts";
import { Lab } from "./lab.ts";

const SCENES: Readonly<Record<string, Scene>> = { lvm: lvmScene, drbd: drbdScene, block: blockScene, xen: xenScene };

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in SCENES));
if (unknown.length > 0) {
  process.stderr.write(`no scene ${unknown.join(", ")}: there are ${Object.keys(SCENES).join(", ")}\n`);
  process.exit(2);
}
for (const [name, scene] of Object.entries(SCENES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const lab = await Lab.start({
    name: `record-${name}`,
    diesWithUs: true,
    xen: name === "xen",
    log: (line) => process.stdout.write(`${line}\n`),
  });
  try {
    await scene(lab);
  } finally {
    await lab.stop();
  }
}
