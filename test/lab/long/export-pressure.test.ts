import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ExportScene, NAMES, PROTOCOLS } from "../export-scene.ts";

let scene: ExportScene;
/** Of the machine's clock, and more when it is slow. */
const PRESSURE_SECONDS = 60;

beforeAll(async () => {
  scene = await ExportScene.start("test-export-pressure");
});
afterAll(async () => scene.f.stop());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await scene.tell();
});

describe("a host whose memory is short", () => {
  it.each(NAMES)("writes through an import by %s without coming to a stop", async (name) => {
    const { f } = scene;
    if (name === NAMES[0]) await scene.makeGroups();
    await f.apply("Volume", name, { volumeGroupRef: { name: "vg-alpha" }, size: "400Mi" });
    await f.apply("Export", name, { volumeRef: { name }, protocol: PROTOCOLS[name], clients: [{ hostName: "gamma" }] });
    await f.apply("Import", name, { exportRef: { name }, hostName: "gamma" });
    await f.waitFor(`import/${name}`, "condition=Ready", 180);
    await scene.mount(name);
    // All but 60 MiB of what is there is taken, and cannot be given back: dirty pages are all that can go.
    const script = `free=$(awk '/MemAvailable/{print int($2/1024)-60}' /proc/meminfo); mount -o remount,size=90% /dev/shm
      [ $free -gt 0 ] && dd if=/dev/zero of=/dev/shm/ballast bs=1M count=$free 2>/dev/null
      end=$(($(cut -d. -f1 /proc/uptime) + ${PRESSURE_SECONDS})); rounds=0
      while [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do dd if=/dev/zero of=/mnt/${name}/big bs=1M count=200 2>/dev/null || exit 1; rounds=$((rounds+1)); done
      sync; rm /dev/shm/ballast; umount /mnt/${name}; echo $rounds`;
    const { stdout } = await f.lab.guest("gamma").exec(["sh", "-c", script], { timeoutMs: 400_000 });
    expect(Number(stdout.trim())).toBeGreaterThan(0);
    expect(await scene.fileSystemErrors()).toBe("");
    await f.kubectl("delete", "import", name, `--timeout=${f.seconds(60)}s`);
    await f.kubectl("delete", "export", name, `--timeout=${f.seconds(60)}s`);
    await f.kubectl("delete", "volume", name, `--timeout=${f.seconds(60)}s`);
  });
});
