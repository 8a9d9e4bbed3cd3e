import { describe, expect, it } from "vitest";
import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../../../../machinery/object.ts";
import { API_VERSION, apply, at, entriesOf, entryOf, fieldsOf, managersOf, update, widget } from "./widgets.ts";

/** What a client sends that read the object, managedFields and all, and changed its spec. */
const edited = (live: KubeObject, spec: JsonObject): KubeObject => ({ ...live, spec });

describe("a create", () => {
  it("is owned with its containers", () => {
    const created = update(
      undefined,
      "kubectl-create",
      widget({ size: 1, tags: { a: "1" }, disks: [{ name: "d" }] }, { labels: { x: "y" } }),
    );
    expect(fieldsOf(created, "kubectl-create")).toEqual({
      "f:metadata": { "f:labels": { ".": {}, "f:x": {} } },
      "f:spec": {
        ".": {},
        "f:disks": { ".": {}, 'k:{"name":"d"}': { ".": {}, "f:name": {} } },
        "f:size": {},
        "f:tags": { ".": {}, "f:a": {} },
      },
    });
  });

  it("does not own status through the main endpoint", () => {
    const created = update(undefined, "me", widget({ size: 1 }, {}, { phase: "x" }), { resetFields: "status" });
    expect(Object.keys(fieldsOf(created, "me") as JsonObject)).toEqual(["f:spec"]);
  });
});

describe("an update", () => {
  const created = update(undefined, "maker", widget({ size: 1, name: "n", args: ["a"] }));

  it("moves what it changes to its writer, and keeps the time of the others", () => {
    const live = update(created, "editor", edited(created, { size: 2, name: "n", args: ["a"] }), { second: 9 });
    expect(fieldsOf(live, "maker")).toEqual({ "f:spec": { ".": {}, "f:args": {}, "f:name": {} } });
    expect(entryOf(live, "editor")).toEqual({
      manager: "editor",
      operation: "Update",
      apiVersion: API_VERSION,
      time: at(9),
      fieldsType: "FieldsV1",
      fieldsV1: { "f:spec": { "f:size": {} } },
    });
    expect(entryOf(live, "maker").time).toBe(at(0));
  });

  it("takes an applier's field without asking", () => {
    const live = apply(undefined, "me", widget({ size: 1, name: "n" }));
    const after = update(live, "editor", edited(live, { size: 2, name: "n" }));
    expect(fieldsOf(after, "me")).toEqual({ "f:spec": { "f:name": {} } });
  });

  it("that removes fields takes them from everybody", () => {
    const after = update(created, "editor", edited(created, { size: 1 }), { second: 9 });
    expect(managersOf(after)).toEqual(["maker"]);
    expect(entryOf(after, "maker")).toMatchObject({ time: at(0), fieldsV1: { "f:spec": { ".": {}, "f:size": {} } } });
  });

  it("that changes nothing leaves managedFields as they are, for any writer", () => {
    const after = update(created, "editor", edited(created, { args: ["a"], name: "n", size: 1 }), { second: 9 });
    expect(JSON.stringify(entriesOf(after))).toBe(JSON.stringify(entriesOf(created)));
    const withoutThem = update(created, "editor", widget({ size: 1, name: "n", args: ["a"] }), { second: 9 });
    expect(JSON.stringify(entriesOf(withoutThem))).toBe(JSON.stringify(entriesOf(created)));
  });

  it("by who sends no managedFields does not lose them", () => {
    const after = update(created, "editor", widget({ size: 2, name: "n", args: ["a"] }));
    expect(managersOf(after)).toEqual(["editor", "maker"]);
  });

  it("keeps versions and subresources apart", () => {
    const scaled = update(created, "maker", edited(created, { size: 2, name: "n", args: ["a"] }), {
      subresource: "scale",
    });
    expect(entriesOf(scaled).map(({ manager, subresource }) => [manager, subresource])).toEqual([
      ["maker", undefined],
      ["maker", "scale"],
    ]);
  });

  it("sees an item of a keyed list come, change and go", () => {
    const live = update(undefined, "maker", widget({ disks: [{ name: "a", size: 1 }, { name: "b" }] }));
    const after = update(live, "editor", edited(live, { disks: [{ name: "c" }, { name: "a", size: 2 }] }));
    expect(fieldsOf(after, "maker")).toEqual({
      "f:spec": { ".": {}, "f:disks": { ".": {}, 'k:{"name":"a"}': { ".": {}, "f:name": {} } } },
    });
    expect(fieldsOf(after, "editor")).toEqual({
      "f:spec": { "f:disks": { 'k:{"name":"a"}': { "f:size": {} }, 'k:{"name":"c"}': { ".": {}, "f:name": {} } } },
    });
  });

  it.each<[string, JsonObject, JsonObject, JsonObject]>([
    ["a map that becomes a scalar", { free: { a: { b: 1 } } }, { free: { a: 1 } }, { "f:free": { "f:a": {} } }],
    [
      "a scalar that becomes a map",
      { free: { a: 1 } },
      { free: { a: { b: 1 } } },
      { "f:free": { "f:a": { ".": {}, "f:b": {} } } },
    ],
    ["an emptied map", { tags: { a: "1" } }, { tags: {} }, {}],
    ["duplicates in a set", { zones: ["a"] }, { zones: ["a", "a"] }, { "f:zones": { 'v:"a"': {} } }],
    ["an item that lost its key", { disks: [{ name: "a" }] }, { disks: [{ size: 1 }] }, { "f:disks": {} }],
  ])("tracks %s", (_, before, after, fields) => {
    const live = update(undefined, "maker", widget({ ...before, name: "n" }));
    const spec = { ...after, name: "n" };
    const changed = update(live, "editor", edited(live, spec));
    const found = entriesOf(changed).find(({ manager }) => manager === "editor")?.fieldsV1 ?? { "f:spec": {} };
    expect(found).toEqual({ "f:spec": fields });
  });
});

describe("managedFields that the client writes", () => {
  const live = update(undefined, "maker", widget({ size: 1 }));
  const sending = (managedFields: ManagedFieldsEntry[]) => widget({ size: 1 }, { managedFields });

  it.each([[[]], [[{}]]])("reset by %j, and tracking stays off until somebody applies", (managedFields) => {
    const reset = update(live, "me", sending(managedFields));
    expect(entriesOf(reset)).toEqual([]);
    const later = update(reset, "me", widget({ size: 2 }));
    expect(entriesOf(later)).toEqual([]);
    expect(managersOf(apply(later, "me", widget({ size: 2 })))).toEqual(["me", "before-first-apply"]);
  });

  it("are taken, in canonical form and order", () => {
    const entry = (manager: string, fieldsV1: JsonObject): ManagedFieldsEntry => ({
      manager,
      operation: "Update",
      apiVersion: "v1",
      fieldsType: "FieldsV1",
      time: at(1),
      fieldsV1,
    });
    const sent = [entry("z", { "f:x": { 'k:{"b":1,"a":"x"}': {} } }), entry("a", { "f:y": {} })];
    expect(entriesOf(update(live, "me", sending(sent)))).toEqual([
      entry("a", { "f:y": {} }),
      entry("z", { "f:x": { 'k:{"a":"x","b":1}': {} } }),
    ]);
  });

  it("are ignored when malformed, and through a subresource", () => {
    const bad = [
      { manager: "x", operation: "Update", apiVersion: "v1", fieldsV1: { size: {} } },
    ] as ManagedFieldsEntry[];
    expect(entriesOf(update(live, "me", sending(bad)))).toEqual(entriesOf(live));
    expect(entriesOf(update(live, "me", sending([]), { subresource: "status" }))).toEqual(entriesOf(live));
  });
});

describe("many updaters", () => {
  it("are capped at ten, the oldest becoming ancient-changes", () => {
    let live = update(undefined, "m00", widget({ free: { k0: 0 } }));
    for (let i = 1; i <= 14; i++) {
      const free = { ...(live.spec as { free: JsonObject }).free, [`k${i}`]: i };
      live = update(live, `m${String(i).padStart(2, "0")}`, edited(live, { free }), { second: i });
    }
    expect(managersOf(live)).toEqual([
      "ancient-changes",
      "m06",
      "m07",
      "m08",
      "m09",
      "m10",
      "m11",
      "m12",
      "m13",
      "m14",
    ]);
    expect(entryOf(live, "ancient-changes").time).toBe(at(5));
    expect(
      Object.keys((fieldsOf(live, "ancient-changes") as { "f:spec": { "f:free": JsonObject } })["f:spec"]["f:free"]),
    ).toEqual([".", "f:k0", "f:k1", "f:k2", "f:k3", "f:k4", "f:k5"]);
  });

  it("stand after appliers, by time, then by name", () => {
    let live = update(undefined, "z", widget({ size: 1 }));
    live = update(live, "b", edited(live, { size: 1, name: "n" }), { second: 5 });
    live = update(live, "a", edited(live, { size: 1, name: "n", args: [] }), { second: 5 });
    live = apply(live, "last", widget({ tags: { a: "b" } }), { second: 9 });
    expect(managersOf(live)).toEqual(["last", "z", "a", "b"]);
  });
});

describe("entries of versions that are not served any more", () => {
  const OLD = "example.com/v1beta1";
  const live = update(undefined, "old-maker", widget({ size: 1, name: "n" }), { apiVersion: OLD });
  const served = [API_VERSION];

  it("go with the next change, whoever makes it; what is there stays", () => {
    const changed = update(live, "editor", edited(live, { size: 2, name: "n" }), { served });
    expect(managersOf(changed)).toEqual(["editor"]);
    expect(changed["spec"]).toEqual({ size: 2, name: "n" });
    expect(managersOf(update(live, "editor", edited(live, { size: 2, name: "n" })))).toEqual(["editor", "old-maker"]);
  });

  it("stay as they are when nothing changes", () => {
    expect(entriesOf(update(live, "editor", edited(live, { size: 1, name: "n" }), { served }))).toEqual(
      entriesOf(live),
    );
  });

  it("do not stand in the way of an apply, and do not come back", () => {
    expect(() => apply(live, "me", widget({ size: 9 }))).toThrow("conflict");
    const applied = apply(live, "me", widget({ size: 9 }), { served });
    expect(applied["spec"]).toEqual({ size: 9, name: "n" });
    expect(managersOf(applied)).toEqual(["me"]);
    expect(apply(applied, "me", widget({ size: 9 }), { served, second: 5 })).toEqual(applied);
  });

  it("of an applier do not make it remove what it once applied", () => {
    const before = apply(undefined, "me", { ...widget({ size: 1, name: "n" }), apiVersion: OLD }, { apiVersion: OLD });
    const after = apply(before, "me", widget({ size: 1 }), { served });
    expect(after["spec"]).toEqual({ size: 1, name: "n" });
    expect(fieldsOf(after, "me")).toEqual({ "f:spec": { "f:size": {} } });
  });
});
