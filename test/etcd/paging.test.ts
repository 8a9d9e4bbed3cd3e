import { expect, it } from "vitest";
import { ValueTooLargeError } from "../../apiserver/storage/errors.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import { startEtcd } from "./local-etcd.ts";
import { keyOf, PREFIX, widget } from "./recorder.ts";

const COUNT = 6000;

it(`reads ${COUNT} objects of 2 KiB as of one revision, while others write`, async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  const name = (n: number) => `n${String(n).padStart(5, "0")}`;
  for (let n = 0; n < COUNT; n += 200) {
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => storage.create(keyOf(name(n + i)), widget(name(n + i), 1, 2000))),
    );
  }
  const revision = await storage.currentRevision();
  const pages: number[] = [];
  const { items, revision: listed } = await listAll(
    {
      async list(prefix, page) {
        const result = await storage.list(prefix, page);
        pages.push(result.items.length);
        // One that sorts behind all pages, and one on the last page.
        await storage.create(keyOf(`new${pages.length}`), widget("new"));
        const changed = keyOf(name(COUNT - pages.length));
        const { stored } = await storage.get(changed);
        await storage.replace(changed, stored!.revision, widget("changed", 2));
        return result;
      },
    },
    PREFIX,
  );
  expect(listed).toBe(revision);
  expect(items.map(({ key }) => key)).toEqual(Array.from({ length: COUNT }, (_, n) => keyOf(name(n))));
  expect(items.every(({ object }) => (object["spec"] as { size: number }).size === 1)).toBe(true);
  expect(pages.length).toBeGreaterThan(2);
  await storage.close();
});

it("reads a page far beyond gRPC's 4 MiB", async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  for (let n = 0; n < 8; n++) await storage.create(keyOf(`n${n}`), widget(`n${n}`, n, 1_000_000));
  const { items } = await storage.list(PREFIX, { limit: 100 });
  expect(items.map(({ value }) => value.length > 1_000_000)).toEqual(Array.from({ length: 8 }, () => true));
  await storage.close();
});

it("refuses a value that etcd does not take, whatever refuses it first", async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  await storage.create(keyOf("large"), widget("large", 1, 3 * 1024 * 1024));
  for (const sizeBytes of [4_200_000, 6_000_000, 20_000_000]) {
    const refused = storage.create(keyOf("larger"), widget("larger", 1, sizeBytes));
    await expect(refused).rejects.toThrow(ValueTooLargeError);
  }
  expect((await storage.get(keyOf("larger"))).stored).toBeUndefined();
  await storage.close();
});
