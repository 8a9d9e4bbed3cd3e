import { expect, it } from "vitest";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { VirtualClock } from "../../../../machinery/virtual-clock.ts";
import { describeStorage } from "../../../conformance/storage.ts";

describeStorage("memory", async () => {
  const clock = new VirtualClock();
  return {
    storage: new MemoryStorage(clock),
    clock,
    pass: (seconds) => clock.advance(seconds * 1000),
  };
});

it("freezes what it hands out, so that a caller who changes it fails", async () => {
  const storage = new MemoryStorage(new VirtualClock());
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", labels: { x: "1" } } };
  const { object: shared } = await storage.create("/registry/configmaps/a", object);
  expect(() => {
    shared.metadata.labels!["x"] = "2";
  }).toThrow(TypeError);
  object.metadata.labels.x = "3";
  expect(shared.metadata.labels).toEqual({ x: "1" });
});
