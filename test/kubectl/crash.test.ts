import { afterAll, beforeAll, expect, it } from "vitest";
import { ApiClient } from "../../hack/bench/api-client.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { FerriteServer } from "./ferrite-server.ts";

let server: FerriteServer;

beforeAll(async () => {
  server = await FerriteServer.start();
});

afterAll(() => server.destroy());

const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const WRITERS = 16;

const configMap = (name: string, step: number): string =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { step: String(step) } });

/** Creates one object, then updates it again and again; returns the last step that was answered, and its revision. */
async function write(
  client: ApiClient,
  name: string,
  from: number,
  progress: { answered: number },
): Promise<{ step: number; revision: number }> {
  let last = { step: from, revision: 0 };
  for (let step = from + 1; ; step += 1) {
    const [method, path] = step === 1 ? ["POST", CONFIG_MAPS] : ["PUT", `${CONFIG_MAPS}/${name}`];
    const answer = await client.ask(method ?? "", path ?? "", configMap(name, step)).catch(() => undefined);
    if (answer === undefined || answer.status >= 300) return last;
    const { metadata } = JSON.parse(answer.text) as KubeObject;
    const revision = Number(metadata.resourceVersion);
    expect(revision).toBeGreaterThan(last.revision);
    last = { step, revision };
    progress.answered += 1;
  }
}

it("keeps every write that it has answered when it is killed in the middle of them, three times", async () => {
  const names = Array.from({ length: WRITERS }, (_, n) => `crash-${n}`);
  let steps = new Map(names.map((name) => [name, 0]));
  let newest = 0;
  for (let round = 0; round < 3; round += 1) {
    const client = new ApiClient(server.kubeconfig);
    const progress = { answered: 0 };
    const writing = names.map((name) => write(client, name, steps.get(name) ?? 0, progress));
    // Some way into it.
    await expect.poll(() => progress.answered, { timeout: 20_000 }).toBeGreaterThan(WRITERS * 5);
    await server.kill();
    const answered = await Promise.all(writing);
    client.close();
    await server.launch();
    const reader = new ApiClient(server.kubeconfig);
    const list = JSON.parse((await reader.ask("GET", CONFIG_MAPS)).text) as { items: KubeObject[] };
    reader.close();
    const found = new Map(list.items.map((item) => [item.metadata.name ?? "", item]));
    steps = new Map(
      names.map((name, index) => {
        const stored = Number((found.get(name)?.["data"] as { step: string } | undefined)?.step ?? 0);
        const { step = 0, revision = 0 } = answered[index] ?? {};
        // The write under way when it died may have been done, or not; nothing else.
        expect([step, step + 1]).toContain(stored);
        expect(Number(found.get(name)?.metadata.resourceVersion ?? 0)).toBeGreaterThanOrEqual(revision);
        return [name, stored];
      }),
    );
    const largest = Math.max(...list.items.map(({ metadata }) => Number(metadata.resourceVersion)));
    expect(largest).toBeGreaterThan(newest);
    newest = largest;
  }
});

it("stops in order: watches end cleanly, exit code 0", async () => {
  const client = new ApiClient(server.kubeconfig);
  const lines: string[] = [];
  await client.watch(`${CONFIG_MAPS}?watch=1`, (line) => lines.push(line));
  await expect.poll(() => lines.length).toBeGreaterThan(0);
  expect(await server.stop()).toBe(0);
  expect(lines.filter((line) => line.includes('"type":"ERROR"'))).toEqual([]);
  client.close();
  await server.launch();
});
