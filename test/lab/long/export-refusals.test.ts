import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ExportScene, IMPORTED, NAMES, PROTOCOLS, SERVED } from "../export-scene.ts";

let scene: ExportScene;

beforeAll(async () => {
  scene = await ExportScene.start("test-export-refusals");
});
afterAll(async () => scene.f.stop());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await scene.tell();
});

const PROGRAM = "perl /usr/lib/ferrite";
const UID = "00000000-0000-0000-0000-000000000001";
const clients = [{ hostName: "gamma" }, { hostName: "beta" }];

describe("exports of volumes on alpha", () => {
  it("are imported on gamma by all three protocols", async () => {
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
    for (const name of NAMES) {
      await f.apply("Volume", name, { volumeGroupRef: { name: "vg-alpha" }, size: "16Mi" });
      const chap = name === "iscsi" ? { chapSecretRef: { name: "chap" } } : {};
      await f.apply("Export", name, { volumeRef: { name }, protocol: PROTOCOLS[name], clients, ...chap });
      await f.apply("Import", name, { exportRef: { name }, hostName: "gamma", reconnectTimeout: "5s" });
    }
    for (const name of NAMES) await f.waitFor(`import/${name}`, "condition=Ready", 120);
  });

  it("refuse who is not on the list, and a wrong secret", async () => {
    const refused = async (words: string, host: "beta" | "gamma" = "gamma") => {
      const said = await scene.on(host, `{ ${words}; } 2>&1 || echo "exit $?"`);
      expect(said).toMatch(/refuses(.|\n)*exit 1/);
    };
    await scene.f.patch("export/nbd", { spec: { clients: [{ hostName: "gamma" }] } });
    await scene.until(() => scene.on("alpha", "cat /run/ferrite/nbd/nbd.allow")).toBe("10.77.0.13\n");
    await refused(`${PROGRAM}/nbd-device connect 10.77.0.11 10809 nbd x/${UID} rw 5 10.77.0.12 -`, "beta");
    const port = await scene.f.get("export/nvme", "{.status.port}");
    const nqn = await scene.f.get("export/nvme", "{.status.target}");
    // From a machine that has no connection to it: one that stands would be taken as it is.
    await refused(
      `${PROGRAM}/nvme-device connect 10.77.0.11 ${port} ${nqn} x/${UID} rw 5 10.77.0.12 nqn.2014-08.org.nvmexpress:uuid:${UID}`,
      "beta",
    );
    const iqn = await scene.f.get("export/iscsi", "{.status.target}");
    const asWho = (who: string, password: string) =>
      `printf 'ferrite\\n${password}\\n' | ${PROGRAM}/iscsi-device connect 10.77.0.11 3260 ` +
      `${iqn} x/${UID} rw 5 10.77.0.13 iqn.2024-01.dev.ferrite:host.${who}`;
    await scene.f.kubectl("delete", "import", "iscsi", `--timeout=${scene.f.seconds(60)}s`);
    await refused(asWho("stranger", "not-a-secret-1"));
    await refused(asWho("gamma", "wrong-secret-12"));
    await scene.f.apply("Import", "iscsi", { exportRef: { name: "iscsi" }, hostName: "gamma", reconnectTimeout: "5s" });
    await scene.f.waitFor("import/iscsi", "condition=Ready", 120);
  });

  it("refuse a second writer, a device name in use, a name that is taken, and what is not there", async () => {
    const { f } = scene;
    for (const name of ["iscsi", "nvme"]) {
      await f.apply("Import", `second-${name}`, { exportRef: { name }, hostName: "beta" });
      await f.waitForMessage(`import/second-${name}`, /one writer/);
    }
    await f.apply("Import", "clash", { exportRef: { name: "nbd" }, hostName: "gamma", readOnly: true });
    await f.waitForMessage("import/clash", /belongs to Import default\/nbd/);
    await f.apply("Export", "again", { volumeRef: { name: "nbd" }, exportName: "nbd", readOnly: true });
    await f.waitForMessage("export/again", /taken by Export default\/nbd/);
    await f.apply("Export", "nothing", { volumeRef: { name: "nothing" }, clients });
    await f.waitForMessage("export/nothing", /Volume nothing is not there/);
    await f.apply("Export", "readonly", { volumeRef: { name: "nbd" }, protocol: "NVMeTCP", readOnly: true });
    await f.waitForMessage("export/readonly", /cannot refuse writes/);
    await f.apply("Volume", "spare", { volumeGroupRef: { name: "vg-alpha" }, size: "16Mi" });
    await f.apply("Export", "network", {
      volumeRef: { name: "spare" },
      protocol: "ISCSI",
      clients: [{ cidr: "10.77.0.0/24" }],
    });
    await f.waitForMessage("export/network", /by name, not by address/);
    expect(await scene.on("beta", IMPORTED)).toBe("");
    await f.kubectl("delete", "import", "second-iscsi", "second-nvme", "clash", `--timeout=${f.seconds(60)}s`);
    await f.kubectl("delete", "export", "again", "nothing", "readonly", "network", `--timeout=${f.seconds(60)}s`);
    expect((await scene.on("alpha", SERVED)).match(/nbd.conf|iqn|nqn/g)).toEqual(["nbd.conf", "nqn", "iqn"]);
  });

  it("are not imported on their own host, nor round in a circle", async () => {
    const { f } = scene;
    const own = f.apply("Import", "own", { exportRef: { name: "nbd" }, hostName: "alpha", deviceName: "own" });
    await expect(own).rejects.toThrow(/serves the export/);
    await f.kubectl("delete", "import", "nbd", `--timeout=${f.seconds(60)}s`);
    await f.apply("Import", "nbd", { exportRef: { name: "nbd" }, hostName: "beta" });
    await f.apply("Volume", "back", { volumeGroupRef: { name: "vg-beta" }, size: "16Mi" });
    await f.apply("Export", "back", { volumeRef: { name: "back" }, clients: [{ hostName: "alpha" }] });
    const circle = f.apply("Import", "back", { exportRef: { name: "back" }, hostName: "alpha" });
    await expect(circle).rejects.toThrow(/circle between hosts/);
    await f.kubectl("delete", "import", "nbd", `--timeout=${f.seconds(60)}s`);
    await f.apply("Import", "nbd", { exportRef: { name: "nbd" }, hostName: "gamma", reconnectTimeout: "5s" });
    await f.patch("export/nbd", { spec: { clients } });
    await f.waitFor("import/nbd", "condition=Ready", 120);
  });

  it("cut off a client that is taken off the list, say so, fail its I/O in time, and serve it again when it is back", async () => {
    const { f } = scene;
    const read = (name: string) =>
      scene.on(
        "gamma",
        `dd if=/dev/gnbd/${name} of=/dev/null bs=4k count=1 iflag=direct 2>&1 | grep -c 'Input/output error' || true`,
      );
    for (const name of NAMES) await f.patch(`export/${name}`, { spec: { clients: [] } });
    for (const name of NAMES) {
      await scene.until(() => f.get(`export/${name}`, "{.status.connectedClients[*].address}")).toBe("");
      await f.waitForMessage(`import/${name}`, /I\/O waits/);
      await scene.until(() => read(name), 60).toBe("1\n");
    }
    for (const name of NAMES) await f.patch(`export/${name}`, { spec: { clients } });
    for (const name of NAMES) {
      await f.waitFor(`import/${name}`, "condition=Ready", 120);
      await scene.until(() => read(name), 60).toBe("0\n");
    }
  });

  it("leave nothing behind when they are deleted", async () => {
    await scene.f.kubectl("delete", "import", "--all", `--timeout=${scene.f.seconds(120)}s`);
    await scene.f.kubectl("delete", "export", "--all", `--timeout=${scene.f.seconds(120)}s`);
    expect(await scene.on("alpha", SERVED)).toBe("");
    expect(await scene.on("gamma", IMPORTED)).toBe("");
    await scene.until(() => scene.f.kubectl("get", "allocations", "-o", "name")).not.toContain("export-");
  });
});
