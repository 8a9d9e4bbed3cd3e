import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Lab } from "../../hack/lab/lab.ts";
import type { NetworkMode } from "../../hack/lab/network.ts";
import { isAlive } from "../../hack/lab/process.ts";
import { type LabState, labPaths } from "../../hack/lab/state.ts";

/** The ways in which an ordinary user gets the lab; root can take them too. */
const MODES: readonly NetworkMode[] = ["user-namespace", "user-mode"];

describe.each(MODES)("a lab in %s", (networkMode) => {
  let lab: Lab;
  afterEach(async () => lab.stop());

  it("has machines that reach each other and the host, and a link that can be cut", async () => {
    lab = await Lab.start({ name: `test-${networkMode}`, diesWithUs: true, networkMode });
    expect(lab.networkMode).toBe(networkMode);
    const ping = async () => (await lab.guest("alpha").exec(["ping", "-c1", "-W2", "beta"])).exitCode;
    await expect.poll(ping, { timeout: 30_000 }).toBe(0);
    const server = createServer((_, response) => response.end("here"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    await lab.forwardApi(port);
    const ask = async () => (await lab.guest("beta").exec(["busybox", "wget", "-qO-", `http://api:${port}/`])).stdout;
    await expect.poll(ask, { timeout: 30_000 }).toBe("here");
    server.close();
    await lab.guest("beta").cutLink();
    expect(await ping()).toBe(1);
    await lab.guest("beta").powerOff();
    await lab.guest("beta").powerOn();
    expect(await ping()).toBe(1);
    await lab.guest("beta").restoreLink();
    await expect.poll(ping, { timeout: 30_000 }).toBe(0);
  });
});

it("ends with the process that started it, and its files go with the next start", async () => {
  const name = "test-orphan";
  const { folder, runtime } = labPaths(name);
  const script = `
    import { Lab } from ${JSON.stringify(resolve(import.meta.dirname, "../../hack/lab/lab.ts"))};
    await Lab.start({ name: ${JSON.stringify(name)}, diesWithUs: true });
    setInterval(() => {}, 1000);
    process.stdout.write("started");`;
  const starter = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(starter.stdout, "data");
  const { guests, network } = JSON.parse(readFileSync(`${folder}/lab.json`, "utf8")) as LabState;
  const processes = [guests.alpha.process, guests.beta.process, guests.gamma.process, network.holder];
  expect(processes.map((process) => process !== undefined && isAlive(process))).toEqual([true, true, true, true]);
  starter.kill("SIGKILL");
  const alive = () => processes.filter((process) => process !== undefined && isAlive(process)).length;
  await expect.poll(alive, { timeout: 10_000 }).toBe(0);
  const next = await Lab.start({ name: "test-next", diesWithUs: true });
  expect([existsSync(runtime), existsSync(folder)]).toEqual([false, false]);
  await next.stop();
});
