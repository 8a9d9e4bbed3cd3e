import { expect, it, test } from "vitest";
import type { RestClient } from "../../../client/rest.ts";
import { StatusWriter } from "../../../controllers/status-writer.ts";
import { HOSTS } from "../../../crds/generated/host.ts";

const ready = (reason = "Up") => ({
  type: "Ready",
  status: "True",
  reason,
  message: "",
  observedGeneration: 1,
  lastTransitionTime: "2026-01-01T00:00:00Z",
});
const foreign = { ...ready(), type: "ToolsPresent" };

/** What another apply would own: `f:capacity` was ours before. */
const owned = (fields: object) => [
  { manager: "me", operation: "Apply" as const, subresource: "status", fieldsV1: { "f:status": fields } as never },
];

async function write(current: object, own: object, managedFields: ReturnType<typeof owned> = []) {
  const bodies: unknown[] = [];
  const client: Pick<RestClient, "apply"> = {
    apply: async (_, object, options) => {
      bodies.push([object, options]);
      return object as never;
    },
  };
  const writer = new StatusWriter({ client, fieldManager: "me" });
  const metadata = { name: "h", uid: "u", resourceVersion: "5", managedFields };
  const host = { metadata, status: current };
  const written = await writer.write(HOSTS, host as never, own as never);
  expect(written).toBe(bodies.length === 1);
  return bodies[0];
}

it("applies own fields with the uid, by force, and nothing else", async () => {
  expect(await write({}, { conditions: [ready()] })).toEqual([
    {
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "Host",
      metadata: { name: "h", uid: "u" },
      status: { conditions: [ready()] },
    },
    { fieldManager: "me", force: true, subresource: "status" },
  ]);
});

test.each([
  {
    name: "equal conditions beside foreign ones",
    current: { conditions: [foreign, ready()] },
    own: { conditions: [ready()] },
  },
  { name: "equal fields beside foreign ones", current: { a: { b: 1, c: 2 }, d: 3 }, own: { a: { b: 1 } } },
  {
    name: "own fields that are still wanted",
    current: { a: 1, conditions: [ready()], list: ["x"] },
    own: { a: 1, conditions: [ready()], list: ["x"] },
    managed: {
      "f:a": {},
      "f:list": {},
      "f:conditions": { 'k:{"type":"Ready"}': { ".": {}, "f:status": {}, "f:type": {} } },
    },
  },
])("writes nothing for $name", async ({ current, own, managed }) => {
  expect(await write(current, own, managed === undefined ? [] : owned(managed))).toBeUndefined();
});

test.each([
  { name: "another reason", current: { conditions: [ready("Down")] }, own: { conditions: [ready()] } },
  { name: "a condition that is not there", current: { conditions: [foreign] }, own: { conditions: [ready()] } },
  { name: "a list with one item more", current: { list: ["x", "y"] }, own: { list: ["x"] } },
  { name: "a list in another order", current: { list: ["y", "x"] }, own: { list: ["x", "y"] } },
  { name: "an emptied list", current: { list: ["y"] }, own: { list: [] } },
  { name: "a field given up", current: { a: 1, b: 2 }, own: { a: 1 }, managed: { "f:a": {}, "f:b": {} } },
  {
    name: "an inner field given up",
    current: { a: { b: 1, c: 2 } },
    own: { a: { b: 1 } },
    managed: { "f:a": { "f:b": {}, "f:c": {} } },
  },
  {
    name: "a condition given up",
    current: { conditions: [ready(), foreign] },
    own: { conditions: [ready()] },
    managed: { "f:conditions": { 'k:{"type":"Ready"}': { ".": {} }, 'k:{"type":"ToolsPresent"}': { ".": {} } } },
  },
])("writes for $name", async ({ current, own, managed }) => {
  expect(await write(current, own, managed === undefined ? [] : owned(managed))).toBeDefined();
});
