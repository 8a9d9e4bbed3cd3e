import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ExportScene, NAMES } from "../export-scene.ts";

let scene: ExportScene;

beforeAll(async () => {
  scene = await ExportScene.start("test-export-losses");
});
afterAll(async () => scene.f.stop());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await scene.tell();
});

describe("imports of mirrors by NBD, iSCSI and NVMe/TCP", () => {
  it("are mounted and written", async () => {
    await scene.makeGroups();
    for (const name of NAMES) {
      await scene.makeMirror(name);
      await scene.exportAndImport(name);
    }
    for (const name of NAMES) {
      await scene.f.waitFor(`mirror/${name}`, "condition=InSync", 240);
      await scene.f.waitFor(`import/${name}`, "condition=Ready", 120);
      await scene.mount(name);
    }
    await scene.startWriters();
  });

  it("go on being written when the serving host loses its power and the other is told to take over", async () => {
    const { f } = scene;
    await f.lab.guest("alpha").powerOff();
    await scene
      .until(() => f.get("host/alpha", "{.status.conditions[?(@.type=='Ready')].status}"), 120)
      .not.toBe("True");
    await scene.movePrimary(NAMES, "beta");
    await scene.progress();
    expect(await scene.on("gamma", "cat /run/error-* 2>/dev/null || true")).toBe("");
  });

  it("have every write that was acknowledged before and after, and no error reached a file system", async () => {
    await scene.stopWriters();
    expect(await scene.fileSystemErrors()).toBe("");
    for (const name of NAMES) {
      await scene.on("gamma", `sync /mnt/${name}; umount /mnt/${name}`);
      await scene.f.kubectl("delete", "import", name, `--timeout=${scene.f.seconds(60)}s`);
      await scene.f.kubectl("delete", "export", name, `--timeout=${scene.f.seconds(60)}s`);
      await scene.expectNothingMissing(name, "beta");
    }
  });

  it("are there again after the importer was switched off and on", async () => {
    for (const name of NAMES) await scene.exportAndImport(name);
    for (const name of NAMES) await scene.f.waitFor(`import/${name}`, "condition=Ready", 120);
    await scene.f.lab.guest("gamma").powerOff();
    await scene.f.lab.guest("gamma").powerOn();
    for (const name of NAMES) {
      const type = () => scene.on("gamma", `blkid -p -o value -s TYPE /dev/gnbd/${name} 2>/dev/null || true`);
      await scene.until(type, 240).toBe("ext4\n");
      expect(
        await scene.on("gamma", `mkdir -p /mnt/${name}; mount /dev/gnbd/${name} /mnt/${name} && ls /mnt/${name}`),
      ).toMatch(/fsync/);
    }
  });
});
