import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeObject, OwnerReference } from "../../../../machinery/object.ts";
import { configMap, eventually, ownedBy, startWorld, stopWorld, type World } from "./world.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

let world: World;
beforeEach(async () => void (world = await startWorld()));
afterEach(() => stopWorld(world));

const create = async (object: KubeObject, path = MAPS): Promise<KubeObject> => {
  const { status, body } = await world.ask("POST", path, object);
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
};
const get = (name: string, path = MAPS) => world.ask("GET", `${path}/${name}`);
const remove = (name: string, propagationPolicy: string, path = MAPS) =>
  world.ask("DELETE", `${path}/${name}`, { propagationPolicy });
const gone = (...names: string[]) =>
  eventually(async () => {
    for (const name of names) expect((await get(name)).status, name).toBe(404);
  });
const patch = (name: string, metadata: object) =>
  world.ask("PATCH", `${MAPS}/${name}`, { metadata }, { "content-type": "application/merge-patch+json" });

/** Events about owners that cannot be where they are looked for. */
async function invalidOwners(namespace: string): Promise<KubeObject[]> {
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=reason%3DOwnerRefInvalidNamespace`;
  return (await world.ask<{ items: KubeObject[] }>("GET", path)).body.items;
}

const clusterRole = (name: string, ownerReferences: OwnerReference[] = []): KubeObject => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name, ownerReferences },
  rules: [],
});

describe("background deletion", () => {
  it("takes dependents along, through all generations and kinds", async () => {
    const top = await create(clusterRole("top"), ROLES);
    const child = await create(configMap("child", [ownedBy(top)]));
    await create(configMap("grandchild", [ownedBy(child)]));
    expect((await remove("top", "Background", ROLES)).status).toBe(200);
    await gone("child", "grandchild");
  });

  it("leaves what has another owner, and makes it forget the one that is gone", async () => {
    const [a, b] = [await create(configMap("a")), await create(configMap("b"))];
    await create(configMap("child", [ownedBy(a), ownedBy(b)]));
    await remove("a", "Background");
    await eventually(async () => expect((await get("child")).body.metadata.ownerReferences).toEqual([ownedBy(b)]));
    await remove("b", "Background");
    await gone("child");
  });

  it("spares an object whose owner came back only by name", async () => {
    const owner = await create(configMap("owner"));
    await create(configMap("child", [ownedBy(owner)]));
    await remove("owner", "Background");
    await create(configMap("owner"));
    await gone("child");
    expect((await get("owner")).status).toBe(200);
  });

  it("waits for finalizers of dependents", async () => {
    const owner = await create(configMap("owner"));
    await create(configMap("child", [ownedBy(owner)], ["example.com/hold"]));
    await remove("owner", "Background");
    await eventually(async () => expect((await get("child")).body.metadata.deletionTimestamp).toBeDefined());
    await patch("child", { finalizers: null });
    await gone("child");
  });
});

describe("foreground deletion", () => {
  it("keeps the owner until the dependents that block it are gone", async () => {
    const owner = await create(configMap("owner"));
    await create(configMap("child", [ownedBy(owner, true)], ["example.com/hold"]));
    await create(configMap("loose", [ownedBy(owner)]));
    await remove("owner", "Foreground");
    await eventually(async () => expect((await get("child")).body.metadata.deletionTimestamp).toBeDefined());
    await gone("loose");
    expect((await get("owner")).body.metadata.finalizers).toEqual(["foregroundDeletion"]);
    await patch("child", { finalizers: null });
    await gone("child", "owner");
  });

  it("lets go at once without dependents", async () => {
    await create(configMap("owner"));
    await remove("owner", "Foreground");
    await gone("owner");
  });

  it("is not blocked by a dependent that has another owner", async () => {
    const [a, b] = [await create(configMap("a")), await create(configMap("b"))];
    await create(configMap("child", [ownedBy(a, true), ownedBy(b, true)]));
    await remove("a", "Foreground");
    await gone("a");
    expect((await get("child")).body.metadata.ownerReferences).toEqual([ownedBy(b, true)]);
  });

  it("goes through circles", async () => {
    const a = await create(configMap("a"));
    const b = await create(configMap("b", [ownedBy(a, true)]));
    const c = await create(configMap("c", [ownedBy(b, true)]));
    await patch("a", { ownerReferences: [ownedBy(c, true)] });
    await remove("a", "Foreground");
    await gone("a", "b", "c");
  });

  it("ends for an object that owns itself", async () => {
    const a = await create(configMap("a"));
    await patch("a", { ownerReferences: [ownedBy(a, true)] });
    await remove("a", "Foreground");
    await gone("a");
  });
});

describe("orphaning", () => {
  it("keeps the dependents and takes the reference from them", async () => {
    const owner = await create(configMap("owner"));
    await create(configMap("child", [ownedBy(owner, true)]));
    await remove("owner", "Orphan");
    await gone("owner");
    expect((await get("child")).body.metadata.ownerReferences).toBeUndefined();
  });
});

describe("references that lead nowhere", () => {
  const stranger = (more: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name: "nobody",
    uid: "no-such-uid",
    ...more,
  });

  it("are deadly when the absence is sure", async () => {
    await create(configMap("child", [stranger()]));
    await gone("child");
  });

  it("are kept when the kind is not served: nobody can tell", async () => {
    await create(configMap("kept", [stranger({ apiVersion: "example.com/v1", kind: "Widget" })]));
    await create(configMap("child", [stranger()]));
    await gone("child");
    expect((await get("kept")).status).toBe(200);
  });

  it("across namespaces count as absent", async () => {
    const owner = await create(configMap("owner"));
    const elsewhere = "/api/v1/namespaces/kube-public/configmaps";
    await create(configMap("child", [ownedBy(owner)]), elsewhere);
    await eventually(async () => expect((await get("child", elsewhere)).status).toBe(404));
    expect((await get("owner")).status).toBe(200);
    const { uid } = owner.metadata;
    expect(await invalidOwners("kube-public")).toMatchObject([
      {
        type: "Warning",
        involvedObject: { apiVersion: "v1", kind: "ConfigMap", namespace: "kube-public", name: "child" },
        message: `ownerRef [v1/ConfigMap, namespace: kube-public, name: owner, uid: ${uid}] does not exist in namespace "kube-public"`,
      },
    ]);
  });

  it("out of a namespace cannot be resolved: such an object is never collected, and holds nobody up", async () => {
    const owner = await create(configMap("owner"));
    const lost = stranger({ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" });
    await create(clusterRole("wide:system", [ownedBy(owner, true)]), ROLES);
    await create(clusterRole("mixed", [ownedBy(owner), lost]), ROLES);
    /** One that is collected tells that the collector has been there. */
    const passed = async (name: string) => {
      await create(clusterRole(name, [lost]), ROLES);
      await eventually(async () => expect((await get(name, ROLES)).status).toBe(404));
    };
    await passed("before");
    await remove("owner", "Foreground");
    await gone("owner");
    await passed("after");
    expect([(await get("wide:system", ROLES)).status, (await get("mixed", ROLES)).status]).toEqual([200, 200]);
    const events = await invalidOwners("default");
    expect(events.map((event) => event["involvedObject"])).toEqual([
      expect.objectContaining({ kind: "ClusterRole", name: "mixed" }),
      expect.objectContaining({ kind: "ClusterRole", name: "wide:system" }),
    ]);
    expect(events[0]?.["message"]).toContain('does not exist in namespace ""');
  });
});

/** Owners of each object by index; -1 stands for an owner that never was. */
type Shape = readonly (readonly { readonly owner: number; readonly block: boolean }[])[];

const shapes: fc.Arbitrary<Shape> = fc.integer({ min: 2, max: 7 }).chain((size) =>
  fc.array(
    fc.uniqueArray(fc.record({ owner: fc.integer({ min: -1, max: size - 1 }), block: fc.boolean() }), {
      maxLength: 3,
      selector: ({ owner }) => owner,
    }),
    { minLength: size, maxLength: size },
  ),
);

/** Who is left: an object goes when it is deleted by hand, or when it has owners and all of them are gone. */
function survivors(shape: Shape, deleted: number | undefined, orphaned: boolean): ReadonlySet<number> {
  const left = new Set(shape.keys());
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    if (deleted !== undefined) left.delete(deleted);
    for (const index of left) {
      const owners = shape[index]!.filter(({ owner }) => !(orphaned && owner === deleted));
      if (owners.length > 0 && owners.every(({ owner }) => !left.has(owner))) left.delete(index);
    }
  }
  return left;
}

describe("any graph of owners", () => {
  it.each([[1], [2]] as const)(
    "ends with who should be left, references to them only, whatever the policy; %i servers",
    async (servers) => {
      await stopWorld(world);
      world = await startWorld({ servers });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          shapes,
          fc.nat(),
          fc.constantFrom("Background", "Foreground", "Orphan"),
          async (shape, pick, policy) => {
            const prefix = `r${run++}-`;
            const made: KubeObject[] = [];
            for (const index of shape.keys()) made.push(await create(configMap(`${prefix}${index}`)));
            for (const [index, owners] of shape.entries()) {
              const references = owners.map(({ owner, block }) => ({
                ...(owner < 0
                  ? { apiVersion: "v1", kind: "ConfigMap", name: "never", uid: `${prefix}never` }
                  : ownedBy(made[owner]!)),
                ...(block ? { blockOwnerDeletion: true } : {}),
              }));
              await patch(`${prefix}${index}`, { ownerReferences: references });
            }
            await settled(prefix, survivors(shape, undefined, false));
            const alive = [...survivors(shape, undefined, false)];
            if (alive.length === 0) return;
            const root = alive[pick % alive.length]!;
            // What the first round dropped is no owner any more.
            const now = shape.map((owners, index) =>
              alive.includes(index)
                ? owners.filter(({ owner }) => alive.includes(owner))
                : [{ owner: -1, block: false }],
            );
            expect((await remove(`${prefix}${root}`, policy)).status).toBe(200);
            await settled(prefix, survivors(now, root, policy === "Orphan"));
          },
        ),
        { numRuns: servers === 1 ? 60 : 25 },
      );
    },
    60_000,
  );

  async function settled(prefix: string, expected: ReadonlySet<number>): Promise<void> {
    const names = [...expected].map((index) => `${prefix}${index}`).toSorted();
    await eventually(async () => {
      const { body } = await world.ask("GET", MAPS);
      const items = (body as unknown as { items: KubeObject[] }).items.filter((item) =>
        item.metadata.name!.startsWith(prefix),
      );
      expect(items.map((item) => item.metadata.name!).toSorted()).toEqual(names);
      const uids = new Set(items.map((item) => item.metadata.uid));
      for (const owner of items.flatMap((item) => item.metadata.ownerReferences ?? []))
        expect(uids).toContain(owner.uid);
      for (const item of items) expect(item.metadata.deletionTimestamp).toBeUndefined();
    });
  }
});
