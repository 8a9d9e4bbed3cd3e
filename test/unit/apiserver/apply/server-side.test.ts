import { describe, expect, it } from "vitest";
import { ApiError } from "../../../../apiserver/status.ts";
import type { JsonObject, KubeObject } from "../../../../machinery/object.ts";
import { API_VERSION, apply, at, entriesOf, entryOf, fieldsOf, managersOf, update, widget } from "./widgets.ts";

function refusal(run: () => unknown): ApiError {
  try {
    run();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

describe("ownership", () => {
  it.each<[string, JsonObject, JsonObject]>([
    ["scalars", { size: 1 }, { "f:size": {} }],
    ["atomic lists as a whole", { args: ["a", "b"] }, { "f:args": {} }],
    ["sets by value", { zones: ["b", "a"] }, { "f:zones": { 'v:"a"': {}, 'v:"b"': {} } }],
    [
      "keyed lists by item, and what is in it",
      { disks: [{ name: "a", size: 1 }] },
      { "f:disks": { 'k:{"name":"a"}': { ".": {}, "f:name": {}, "f:size": {} } } },
    ],
    [
      "items by several keys in order, defaults filled in",
      { ports: [{ port: 80 }] },
      { "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {} } } },
    ],
    ["atomic maps as a whole", { selector: { a: "b" } }, { "f:selector": {} }],
    ["maps by key", { tags: { a: "b" } }, { "f:tags": { "f:a": {} } }],
    ["empty objects", { tags: {}, free: {} }, { "f:free": {}, "f:tags": {} }],
    ["int-or-string as a leaf", { port: "http" }, { "f:port": {} }],
    [
      "undeclared fields by their form: lists are atomic, objects are not",
      { free: { list: [{ name: "x" }], map: { a: 1 } } },
      { "f:free": { "f:list": {}, "f:map": { ".": {}, "f:a": {} } } },
    ],
    ["null only where it is a value", { size: null, maybe: null }, { "f:maybe": {} }],
  ])("of %s", (_, spec, fields) => {
    expect(fieldsOf(apply(undefined, "me", widget(spec)), "me")).toEqual({ "f:spec": fields });
  });

  it("leaves out what only the server writes, and identity", () => {
    const metadata = { labels: { a: "b" }, uid: "u", resourceVersion: "1", finalizers: ["x.y/z"], generation: 3 };
    expect(fieldsOf(apply(undefined, "me", widget(undefined, metadata)), "me")).toEqual({
      "f:metadata": { "f:finalizers": { 'v:"x.y/z"': {} }, "f:labels": { "f:a": {} } },
    });
  });

  it("makes one entry with manager, operation, version, time and type", () => {
    expect(entriesOf(apply(undefined, "me", widget({ size: 1 }), { second: 7 }))).toEqual([
      {
        manager: "me",
        operation: "Apply",
        apiVersion: API_VERSION,
        time: at(7),
        fieldsType: "FieldsV1",
        fieldsV1: { "f:spec": { "f:size": {} } },
      },
    ]);
  });

  it("is shared by those who apply the same value", () => {
    const both = apply(apply(undefined, "a", widget({ size: 1 })), "b", widget({ size: 1 }), { second: 5 });
    expect(managersOf(both)).toEqual(["a", "b"]);
    expect(entryOf(both, "a").time).toBe(at(0));
    expect(entryOf(both, "b").time).toBe(at(5));
  });

  it("of an applier is one across versions", () => {
    const first = apply(undefined, "me", widget({ size: 1 }));
    const old = {
      ...first,
      metadata: { ...first.metadata, managedFields: [{ ...entryOf(first, "me"), apiVersion: "example.com/v0" }] },
    };
    expect(entriesOf(apply(old, "me", widget({ size: 1 })))).toMatchObject([{ apiVersion: API_VERSION }]);
  });
});

describe("conflicts", () => {
  it("name the field and the applier", () => {
    const live = apply(undefined, "other", widget({ size: 1 }));
    const error = refusal(() => apply(live, "me", widget({ size: 2 })));
    expect(error.toStatus()).toMatchObject({
      code: 409,
      reason: "Conflict",
      message: 'Apply failed with 1 conflict: conflict with "other": .spec.size',
      details: { causes: [{ reason: "FieldManagerConflict", message: 'conflict with "other"', field: ".spec.size" }] },
    });
  });

  it("name version and subresource of an updater", () => {
    const created = update(undefined, "maker", widget({ size: 1 }));
    const live = update(created, "ctrl", widget({ size: 2 }, created.metadata), { subresource: "scale" });
    const error = refusal(() => apply(live, "me", widget({ size: 3 })));
    expect(error.message).toContain(`conflict with "ctrl" with subresource "scale" using ${API_VERSION}: .spec.size`);
  });

  it("list all fields by manager", () => {
    const one = apply(undefined, "b", widget({ size: 1, disks: [{ name: "x", size: 1 }], zones: ["z"] }));
    const two = apply(one, "a", widget({ name: "n" }));
    const error = refusal(() =>
      apply(two, "me", widget({ size: 2, name: "m", disks: [{ name: "x", size: 2 }], zones: ["z"] })),
    );
    expect(error.message).toBe(
      'Apply failed with 3 conflicts: conflicts with "a":\n- .spec.name\nconflicts with "b":\n- .spec.disks[name="x"].size\n- .spec.size',
    );
    expect(error.details?.causes).toHaveLength(3);
  });

  it("are overcome by force, which takes the fields away from the others", () => {
    const live = apply(undefined, "other", widget({ size: 1, name: "n" }));
    const forced = apply(live, "me", widget({ size: 2 }), { force: true });
    expect(forced.spec).toEqual({ size: 2, name: "n" });
    expect(fieldsOf(forced, "other")).toEqual({ "f:spec": { "f:name": {} } });
    expect(fieldsOf(forced, "me")).toEqual({ "f:spec": { "f:size": {} } });
  });

  it("arise for atomic values as a whole", () => {
    const live = apply(undefined, "other", widget({ args: ["a"], selector: { a: "1" } }));
    expect(
      refusal(() => apply(live, "me", widget({ args: ["a", "b"], selector: { a: "1", b: "2" } }))).details?.causes,
    ).toMatchObject([{ field: ".spec.args" }, { field: ".spec.selector" }]);
  });

  it("do not arise with oneself, and not for fields that nobody owns", () => {
    const live = apply(undefined, "me", widget({ size: 1 }));
    expect(apply(live, "me", widget({ size: 2 })).spec).toEqual({ size: 2 });
    const status = { ...live, spec: { size: 1, name: "default" } } as KubeObject;
    expect(apply(status, "you", widget({ name: "mine" })).spec).toEqual({ size: 1, name: "mine" });
  });
});

describe("removal", () => {
  const disks = (...names: string[]) => widget({ disks: names.map((name) => ({ name })) });

  it("drops what is no longer applied and nobody else owns", () => {
    const live = apply(undefined, "me", widget({ size: 1, name: "n", tags: { a: "1", b: "2" } }));
    expect(apply(live, "me", widget({ size: 1, tags: { a: "1" } })).spec).toEqual({ size: 1, tags: { a: "1" } });
  });

  it("drops list items, and the list with the last of them", () => {
    const live = apply(undefined, "me", disks("a", "b"));
    expect(apply(live, "me", disks("b")).spec).toEqual({ disks: [{ name: "b" }] });
    expect(apply(live, "me", widget({ size: 1 })).spec).toEqual({ size: 1 });
  });

  it("keeps what another owns, also inside an item that it does not own", () => {
    const mine = apply(undefined, "me", disks("a", "b"));
    const live = apply(mine, "other", widget({ disks: [{ name: "a", size: 5 }] }));
    const after = apply(live, "me", disks("b"));
    expect(after.spec).toEqual({ disks: [{ name: "a", size: 5 }, { name: "b" }] });
    expect(fieldsOf(after, "me")).toEqual({ "f:spec": { "f:disks": { 'k:{"name":"b"}': { ".": {}, "f:name": {} } } } });
  });

  it("keeps what others put into an item of mine, when I let go of a field of it", () => {
    const mine = apply(undefined, "me", widget({ disks: [{ name: "a", mode: "ro", options: { x: "1" } }] }));
    const live = update(
      mine,
      "ctrl",
      widget({ disks: [{ name: "a", mode: "ro", size: 3, options: { x: "1" } }] }, mine.metadata),
    );
    expect(apply(live, "me", widget({ disks: [{ name: "a" }] })).spec).toEqual({ disks: [{ name: "a", size: 3 }] });
  });

  it("gives up shared fields without dropping them", () => {
    const live = apply(apply(undefined, "a", widget({ size: 1 })), "b", widget({ size: 1 }));
    const after = apply(live, "a", widget({ name: "x" }));
    expect(after.spec).toEqual({ size: 1, name: "x" });
    expect(fieldsOf(after, "a")).toEqual({ "f:spec": { "f:name": {} } });
  });

  it("leaves alone what an updater wrote over it", () => {
    const mine = apply(undefined, "me", widget({ size: 1, name: "n" }));
    const live = update(mine, "ctrl", widget({ size: 2, name: "n" }, mine.metadata));
    expect(apply(live, "me", widget({ name: "n" })).spec).toEqual({ size: 2, name: "n" });
  });

  it("ends the entry of who applies nothing", () => {
    const live = apply(apply(undefined, "a", widget({ size: 1 })), "b", widget({ name: "n" }));
    const after = apply(live, "a", widget(undefined));
    expect(after.spec).toEqual({ name: "n" });
    expect(managersOf(after)).toEqual(["b"]);
  });
});

describe("merging of lists", () => {
  it.each([
    [
      ["a", "b", "c"],
      ["x", "b", "y"],
      ["a", "x", "b", "c", "y"],
    ],
    [
      ["a", "b", "c"],
      ["c", "a"],
      ["b", "c", "a"],
    ],
    [
      ["a", "b"],
      ["a", "b"],
      ["a", "b"],
    ],
    [[], ["b", "a"], ["b", "a"]],
    [["a", "b"], ["n"], ["a", "b", "n"]],
    [
      ["a", "b", "c", "d"],
      ["d", "b"],
      ["a", "c", "d", "b"],
    ],
  ])("of %j with %j applied keeps the applied order", (live, applied, merged) => {
    const before = update(undefined, "maker", widget({ zones: live, disks: live.map((name) => ({ name })) }));
    const after = apply(before, "me", widget({ zones: applied, disks: applied.map((name) => ({ name })) }));
    expect(after.spec).toEqual({ zones: merged, disks: merged.map((name) => ({ name })) });
  });
});

describe("no change", () => {
  it("gives back the object as it was, times included", () => {
    const live = { ...apply(undefined, "me", widget({ size: 1, disks: [{ name: "a" }] })), status: { phase: "Ready" } };
    const again = apply(live, "me", widget({ disks: [{ name: "a" }], size: 1 }), { second: 30 });
    expect(JSON.stringify(again)).toBe(JSON.stringify(live));
  });

  it("is one also for null members and an empty list", () => {
    const applied = widget({ size: 1, name: null, zones: [] });
    const live = apply(undefined, "me", applied);
    expect(JSON.stringify(apply(live, "me", applied, { second: 30 }))).toBe(JSON.stringify(live));
  });

  it.each(["none", "status", "all-but-status"] as const)(
    "shares no structure with the stored object (%s)",
    (resetFields) => {
      const live = {
        ...apply(undefined, "me", widget({ disks: [{ name: "a" }] }, { labels: { a: "b" } })),
        status: { list: [1] },
      };
      const before = JSON.stringify(live);
      const applied = widget({ disks: [{ name: "a" }], size: 2 }, {}, { phase: "x" });
      for (const body of [applied, widget({ disks: [{ name: "a" }] }, { labels: { a: "b" } })]) {
        scramble(apply(live, "me", body, { resetFields }), "fieldsV1");
        expect(JSON.stringify(live)).toBe(before);
      }
    },
  );
});

/** Changes everything in a value that can be changed in place, but for members of that name. */
function scramble(value: unknown, except: string): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) if (key !== except) scramble(item, except);
  Object.assign(value, { scrambled: true });
}

describe("an object without managedFields", () => {
  it("gets an entry for all that was there before", () => {
    const live = widget({ size: 1, name: "n" }, { uid: "u" });
    const after = apply(live, "me", widget({ size: 1 }), { second: 9 });
    expect(entryOf(after, "before-first-apply")).toMatchObject({
      operation: "Update",
      apiVersion: API_VERSION,
      time: at(9),
      fieldsV1: { "f:spec": { ".": {}, "f:name": {}, "f:size": {} } },
    });
    expect(refusal(() => apply(live, "me", widget({ size: 2 }))).message).toContain('"before-first-apply"');
  });
});

describe("reset fields", () => {
  it("are neither owned nor changed", () => {
    const live = { ...apply(undefined, "me", widget({ size: 1 })), status: { phase: "Ready" } } as KubeObject;
    const applied = widget({ size: 2 }, {}, { phase: "Hacked" });
    const main = apply(live, "me", applied, { resetFields: "status" });
    expect([main.spec, main.status]).toEqual([{ size: 2 }, { phase: "Ready" }]);
    expect(fieldsOf(main, "me")).toEqual({ "f:spec": { "f:size": {} } });
    const status = apply(live, "ctrl", applied, { resetFields: "all-but-status", subresource: "status", force: true });
    expect([status.spec, status.status]).toEqual([{ size: 1 }, { phase: "Hacked" }]);
    expect(entryOf(status, "ctrl")).toMatchObject({
      subresource: "status",
      fieldsV1: { "f:status": { "f:phase": {} } },
    });
  });

  it("keep one manager's subresources apart", () => {
    const live = apply(undefined, "me", widget({ size: 1 }), { resetFields: "status" });
    const both = apply(live, "me", widget(undefined, {}, { phase: "Up" }), {
      resetFields: "all-but-status",
      subresource: "status",
    });
    expect([both.spec, both.status]).toEqual([{ size: 1 }, { phase: "Up" }]);
    expect(entriesOf(both).map(({ subresource }) => subresource)).toEqual([undefined, "status"]);
  });
});

describe("moving from client-side kubectl apply", () => {
  const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";
  const clientSide = (spec: JsonObject, lastApplied: JsonObject) =>
    update(
      undefined,
      "kubectl-client-side-apply",
      widget(spec, { uid: "u", annotations: { [ANNOTATION]: JSON.stringify(widget(lastApplied)) } }),
    );

  it("takes over what kubectl set itself, and keeps the annotation in step", () => {
    const live = clientSide({ size: 1, name: "n" }, { size: 1 });
    const after = apply(live, "kubectl", widget({ size: 2 }));
    expect(after.spec).toEqual({ size: 2, name: "n" });
    expect(after.metadata.annotations?.[ANNOTATION]).toBe(
      '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w1","namespace":"default"},"spec":{"size":2}}\n',
    );
  });

  it("does not take over what changed since, nor for another manager", () => {
    const live = clientSide({ size: 5 }, { size: 1 });
    expect(refusal(() => apply(live, "kubectl", widget({ size: 2 }))).reason).toBe("Conflict");
    expect(refusal(() => apply(clientSide({ size: 1 }, { size: 1 }), "flux", widget({ size: 2 }))).reason).toBe(
      "Conflict",
    );
  });
});

describe("refuses", () => {
  it.each<[string, KubeObject, string]>([
    ["managedFields in the body", widget({}, { managedFields: [] }), "metadata.managedFields must be nil"],
    [
      "another version",
      { ...widget({}), apiVersion: "example.com/v2" },
      "Specified patch version: example.com/v2, expected: example.com/v1",
    ],
    [
      "items twice",
      widget({ disks: [{ name: "a" }, { name: "a" }] }),
      '.spec.disks: duplicate entries for key [name="a"]',
    ],
    ["values twice", widget({ zones: ["a", "a"] }), '.spec.zones: duplicate entries for key [="a"]'],
    ["items without key", widget({ disks: [{ size: 1 }] }), 'omits key field "name" (and doesn\'t have default value)'],
    ["items that are no objects", widget({ disks: ["a"] }), "associative list with keys may not have non-map elements"],
    [
      "objects in a set",
      widget({ zones: [{}] }),
      "associative list without keys has an element that's a map or list type",
    ],
  ])("%s", (_, applied, message) => {
    const error = refusal(() => apply(undefined, "me", applied));
    expect([error.reason, error.message]).toEqual(["BadRequest", expect.stringContaining(message)]);
  });

  it("to name no manager", () => {
    expect(refusal(() => apply(undefined, "", widget({}))).message).toBe("fieldManager is required for apply patch");
  });

  it("nothing of stored lists that break the rules, when they are not applied", () => {
    const live = update(undefined, "maker", widget({ zones: ["a", "a"], disks: [{ size: 1 }] }));
    expect(apply(live, "me", widget({ size: 1 })).spec).toEqual({ zones: ["a", "a"], disks: [{ size: 1 }], size: 1 });
  });
});
