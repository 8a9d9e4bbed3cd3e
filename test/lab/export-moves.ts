import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ExportScene, IMPORTED, type Name, SERVED } from "./export-scene.ts";

/** An import of each of `names` is mounted and written while its server moves, is killed and is cut off. */
export function describeMoves(names: readonly Name[]): void {
  let scene: ExportScene;

  beforeAll(async () => {
    scene = await ExportScene.start(`test-export-moves-${names.join("-")}`);
  });
  afterAll(async () => scene.f.stop());
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await scene.tell();
  });

  describe(`mirrors exported by ${names.join(", ")}, mounted on a third host`, () => {
    it("appear there as block devices", async () => {
      const { f } = scene;
      await scene.makeGroups();
      await f.kubectl(
        "create",
        "secret",
        "generic",
        "chap",
        "--from-literal=username=ferrite",
        "--from-literal=password=not-a-secret-1",
      );
      for (const name of names) await scene.makeMirror(name);
      for (const name of names)
        await scene.exportAndImport(name, name === "iscsi" ? { chapSecretRef: { name: "chap" } } : {});
      for (const name of names) {
        await f.waitFor(`mirror/${name}`, "condition=InSync", 240);
        await f.waitFor(`import/${name}`, "condition=Ready", 120);
        await scene.mount(name);
        await scene.until(() => f.get(`export/${name}`, "{.status.connectedClients[*].hostName}")).toBe("gamma");
      }
      expect((await scene.on("gamma", "ls /dev/gnbd")).trim().split("\n")).toEqual([...names].sort());
    });

    it("go on being written when the primaries are moved, and nothing is served any more where they were", async () => {
      await scene.startWriters(names);
      await scene.movePrimary(names, "beta");
      await scene.progress(names);
      await scene.until(() => scene.on("alpha", SERVED)).toBe("");
    });

    it("go on being written when the server's process is killed, and the agents on both ends", async () => {
      const { cluster } = scene.f;
      await Promise.all([cluster.killAgent("beta"), cluster.killAgent("gamma")]);
      await scene.on("beta", "pkill -9 nbd-server || true");
      await Promise.all([cluster.startAgent("beta"), cluster.startAgent("gamma")]);
      await scene.progress(names);
    });

    it("go on being written when the importer's link was cut for a while", async () => {
      await scene.f.lab.guest("gamma").cutLink();
      const lost = () => scene.f.get("host/gamma", "{.status.conditions[?(@.type=='Ready')].status}");
      await scene.until(lost, 120).not.toBe("True");
      await scene.f.lab.guest("gamma").restoreLink();
      await scene.progress(names);
    });

    it("have every acknowledged write on the mirror, with and without fsync, and no error reached a file system", async () => {
      await scene.stopWriters();
      expect(await scene.fileSystemErrors()).toBe("");
      for (const name of names) {
        await scene.on("gamma", `umount /mnt/${name}`);
        await scene.f.kubectl("delete", "import", name, `--timeout=${scene.f.seconds(60)}s`);
        await scene.f.kubectl("delete", "export", name, `--timeout=${scene.f.seconds(60)}s`);
        await scene.expectNothingMissing(name, "beta");
      }
      expect(await scene.on("gamma", IMPORTED)).toBe("");
    });
  });
}
