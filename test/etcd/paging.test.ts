import { expect, it } from "vitest";
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
        // Behind the page, in it, and before the next one.
        await storage.create(keyOf(`new${pages.length}`), widget("new"));
        await storage.replace(
          keyOf(name(COUNT - pages.length)),
          result.items.length > 0 ? (await storage.get(keyOf(name(COUNT - pages.length)))).stored!.revision : 0,
          widget("changed", 2),
        );
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
