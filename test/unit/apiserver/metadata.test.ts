import { describe, expect, it } from "vitest";
import type { Status } from "../../../apiserver/status.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { startWithWidgets, WIDGETS, widget } from "./harness.ts";

const MERGE = { "content-type": "application/merge-patch+json" };
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const configMap = (name: string, data: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

describe("what the server decides of an object", () => {
  it("overwrites uid, times and generation that a client made up", async () => {
    const { ask } = await startWithWidgets();
    const made = {
      uid: "mine",
      generation: 7,
      creationTimestamp: "2001-01-01T00:00:00Z",
      deletionTimestamp: "2001-01-01T00:00:00Z",
    };
    const { body } = await ask("POST", WIDGETS, widget("w", { size: 1 }, made));
    expect(body.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    expect(body.metadata.generation).toBe(1);
    expect(body.metadata.creationTimestamp).not.toBe(made.creationTimestamp);
    expect(body.metadata.deletionTimestamp).toBeUndefined();
  });

  it("makes names from generateName: 5 letters, base cut to 58", async () => {
    const { ask } = await startWithWidgets();
    const { body } = await ask("POST", WIDGETS, { ...widget(""), metadata: { generateName: "a".repeat(80) } });
    expect(body.metadata.name).toMatch(/^a{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("refuses a name or namespace that contradicts the path", async () => {
    const { ask } = await startWithWidgets();
    const elsewhere = await ask<Status>("POST", WIDGETS, widget("w", { size: 1 }, { namespace: "other" }));
    expect(elsewhere.status).toBe(400);
    expect(elsewhere.body.message).toContain(
      "the namespace of the provided object (other) does not match the namespace sent on the request (default)",
    );
    await ask("POST", WIDGETS, widget("w"));
    const renamed = await ask<Status>("PUT", `${WIDGETS}/w`, widget("v"));
    expect(renamed.body.message).toContain("the name of the object (v) does not match the name on the URL (w)");
  });

  it("refuses a resourceVersion on create, and its absence on a PUT of a custom resource", async () => {
    const { ask } = await startWithWidgets();
    const versioned = await ask<Status>("POST", WIDGETS, widget("w", { size: 1 }, { resourceVersion: "5" }));
    expect(versioned.body.message).toBe("resourceVersion should not be set on objects to be created");
    await ask("POST", WIDGETS, widget("w"));
    const { status, body } = await ask<Status>("PUT", `${WIDGETS}/w`, widget("w", { size: 2 }));
    expect(status).toBe(422);
    expect(body.message).toBe(
      'Widget.example.com "w" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update',
    );
    await ask("POST", CONFIG_MAPS, configMap("c"));
    expect((await ask("PUT", `${CONFIG_MAPS}/c`, configMap("c", { a: "b" }))).status).toBe(200);
  });

  it("keeps uid and times on an update, and refuses others", async () => {
    const { ask } = await startWithWidgets();
    const { body: live } = await ask("POST", WIDGETS, widget("w"));
    const other = { ...live, metadata: { ...live.metadata, uid: "another" } };
    const refused = await ask<Status>("PUT", `${WIDGETS}/w`, other);
    expect(refused.status).toBe(409);
    expect(refused.body.message).toContain(
      `Precondition failed: UID in precondition: another, UID in object meta: ${live.metadata.uid}`,
    );
    const { name, resourceVersion } = live.metadata;
    const { body: bare } = await ask("PUT", `${WIDGETS}/w`, { ...live, metadata: { name, resourceVersion } });
    expect(bare.metadata).toMatchObject({
      uid: live.metadata.uid,
      creationTimestamp: live.metadata.creationTimestamp,
      generation: 1,
    });
  });

  it("counts generations for what is wanted: not for metadata, not for status, once for a deletion", async () => {
    const { ask } = await startWithWidgets();
    await ask("POST", WIDGETS, widget("w", { size: 1 }, { finalizers: ["example.com/a"] }));
    const generation = async (method: string, path: string, body: unknown) =>
      (await ask(method, path, body, MERGE)).body.metadata.generation;
    expect(await generation("PATCH", `${WIDGETS}/w`, { metadata: { labels: { a: "b" } } })).toBe(1);
    expect(await generation("PATCH", `${WIDGETS}/w/status`, { status: { phase: "x" } })).toBe(1);
    expect(await generation("PATCH", `${WIDGETS}/w`, { spec: { size: 2 } })).toBe(2);
    expect(await generation("PATCH", `${WIDGETS}/w/scale`, { spec: { replicas: 2 } })).toBeUndefined();
    expect((await ask("GET", `${WIDGETS}/w`)).body.metadata.generation).toBe(3);
    await ask("DELETE", `${WIDGETS}/w`);
    await ask("DELETE", `${WIDGETS}/w`);
    expect((await ask("GET", `${WIDGETS}/w`)).body.metadata).toMatchObject({
      generation: 4,
      deletionGracePeriodSeconds: 0,
    });
  });

  it("does not write what has not changed", async () => {
    const { ask } = await startWithWidgets();
    const { body: live } = await ask("POST", WIDGETS, widget("w"));
    for (const [method, body, type] of [
      ["PUT", live, "application/json"],
      ["PATCH", { spec: { size: 1 } }, "application/merge-patch+json"],
      ["PATCH", [{ op: "replace", path: "/spec/size", value: 1 }], "application/json-patch+json"],
    ] as const) {
      const { body: same } = await ask(method, `${WIDGETS}/w`, body, { "content-type": type });
      expect(same.metadata.resourceVersion).toBe(live.metadata.resourceVersion);
    }
    const apply = () =>
      ask("PATCH", `${WIDGETS}/w?fieldManager=me`, widget("w"), { "content-type": "application/apply-patch+yaml" });
    const { body: applied } = await apply();
    expect((await apply()).body.metadata.resourceVersion).toBe(applied.metadata.resourceVersion);
  });

  it("writes the status through its subresource only, and nothing else through it", async () => {
    const { ask } = await startWithWidgets();
    const { body: created } = await ask("POST", WIDGETS, { ...widget("w"), status: { phase: "Made up" } });
    expect(created["status"]).toBeUndefined();
    const change = {
      metadata: { labels: { a: "b" }, finalizers: ["x/y"] },
      spec: { size: 9 },
      status: { phase: "Fine" },
    };
    const { body } = await ask("PATCH", `${WIDGETS}/w/status`, change, MERGE);
    expect(body).toMatchObject({ spec: { size: 1 }, status: { phase: "Fine" } });
    expect(body.metadata.labels).toBeUndefined();
    expect(body.metadata.finalizers).toBeUndefined();
    const { body: after } = await ask(
      "PATCH",
      `${WIDGETS}/w`,
      { spec: { size: 2 }, status: { phase: "Changed" } },
      MERGE,
    );
    expect(after).toMatchObject({ spec: { size: 2 }, status: { phase: "Fine" } });
  });

  it("records who wrote what, by parameter or User-Agent", async () => {
    const { ask } = await startWithWidgets();
    await ask("POST", `${WIDGETS}?fieldManager=maker`, widget("w"));
    await ask("PATCH", `${WIDGETS}/w`, { spec: { size: 2 } }, { ...MERGE, "user-agent": "painter/v1 (linux)" });
    await ask("PATCH", `${WIDGETS}/w/status?fieldManager=watcher`, { status: { phase: "x" } }, MERGE);
    const { body } = await ask("GET", `${WIDGETS}/w`);
    const entries = body.metadata.managedFields?.map(({ manager, operation, subresource = "" }) => [
      manager,
      operation,
      subresource,
    ]);
    expect(entries?.sort()).toEqual([
      ["maker", "Update", ""],
      ["painter", "Update", ""],
      ["watcher", "Update", "status"],
    ]);
  });

  it("warns of finalizers that could clash, once", async () => {
    const { ask } = await startWithWidgets();
    const { headers, body } = await ask(
      "POST",
      WIDGETS,
      widget("w", { size: 1 }, { finalizers: ["plain.example.com"] }),
    );
    expect(headers["warning"]).toEqual([expect.stringContaining("prefer a domain-qualified finalizer name")]);
    expect((await ask("PUT", `${WIDGETS}/w`, body)).headers["warning"]).toBeUndefined();
  });
});

describe("deletion", () => {
  it("answers a Status when the object has gone, and the object when finalizers hold it", async () => {
    const { ask } = await startWithWidgets();
    const { body: made } = await ask("POST", WIDGETS, widget("w"));
    const gone = await ask<Status>("DELETE", `${WIDGETS}/w`);
    expect(gone.body).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "w", group: "example.com", kind: "widgets", uid: made.metadata.uid },
    });
    await ask("POST", WIDGETS, widget("v", { size: 1 }, { finalizers: ["example.com/a"] }));
    expect((await ask("DELETE", `${WIDGETS}/v`)).body.kind).toBe("Widget");
    const last = await ask("PATCH", `${WIDGETS}/v`, { metadata: { finalizers: null } }, MERGE);
    expect(last.status).toBe(200);
    expect((await ask("GET", `${WIDGETS}/v`)).status).toBe(404);
  });

  it("keeps to preconditions", async () => {
    const { ask } = await startWithWidgets();
    const { body } = await ask("POST", WIDGETS, widget("w"));
    for (const preconditions of [{ uid: "another" }, { resourceVersion: "1" }]) {
      expect((await ask("DELETE", `${WIDGETS}/w`, { preconditions })).status).toBe(409);
    }
    const { uid, resourceVersion } = body.metadata;
    expect((await ask("DELETE", `${WIDGETS}/w`, { preconditions: { uid, resourceVersion } })).status).toBe(200);
  });

  it.each([
    ["Foreground", "foregroundDeletion"],
    ["Orphan", "orphan"],
  ])("%s adds the finalizer %s", async (propagationPolicy, finalizer) => {
    const { ask } = await startWithWidgets();
    await ask("POST", WIDGETS, widget("w", { size: 1 }, { finalizers: ["example.com/a"] }));
    const { body } = await ask("DELETE", `${WIDGETS}/w`, { propagationPolicy });
    expect(body.metadata.finalizers).toEqual(["example.com/a", finalizer]);
  });

  it("of a collection takes what is selected, and leaves the rest", async () => {
    const { ask } = await startWithWidgets();
    for (const [name, color] of [
      ["a", "red"],
      ["b", "blue"],
      ["c", "red"],
    ])
      await ask("POST", WIDGETS, widget(name ?? "", { size: 1, color }));
    await ask("DELETE", `${WIDGETS}?fieldSelector=spec.color%3Dred`);
    const { body } = await ask<{ items: KubeObject[] }>("GET", WIDGETS);
    expect(body.items.map(({ metadata }) => metadata.name)).toEqual(["b"]);
  });

  it("dry run changes nothing", async () => {
    const { ask } = await startWithWidgets();
    const { body } = await ask("POST", WIDGETS, widget("w"));
    await ask("DELETE", `${WIDGETS}/w`, { dryRun: ["All"] });
    await ask("DELETE", `${WIDGETS}/w?dryRun=All`);
    await ask("DELETE", `${WIDGETS}?dryRun=All`);
    expect((await ask("GET", `${WIDGETS}/w`)).body).toEqual(body);
    const wrong = await ask<Status>("POST", `${WIDGETS}?dryRun=Some`, widget("v"));
    expect(wrong.status).toBe(422);
  });
});
