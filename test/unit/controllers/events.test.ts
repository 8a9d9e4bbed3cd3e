import { beforeEach, expect, it } from "vitest";
import type { ApiObject } from "../../../client/api-object.ts";
import { ApiEventRecorder } from "../../../controllers/events.ts";
import type { EventInput } from "../../../machinery/event-recorder.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import type { ResourceType } from "../../../machinery/resource-type.ts";
import { type Link, startWorld, type World } from "../in-process.ts";

interface CoreEvent extends ApiObject {
  readonly count: number;
  readonly message: string;
  readonly lastTimestamp: string;
  readonly firstTimestamp: string;
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid?: string };
}
const EVENTS: ResourceType<CoreEvent> = { group: "", version: "v1", kind: "Event", plural: "events", namespaced: true };
const NAMESPACES: ResourceType<ApiObject> = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

let world: World;
let link: Link;
let recorder: ApiEventRecorder;

beforeEach(async () => {
  world = await startWorld();
  await world.client().create(NAMESPACES, { metadata: { name: "ns" } });
  link = world.link();
  recorder = new ApiEventRecorder({
    client: world.client(link),
    clock: world.clock,
    random: seededRandom(1),
    log: silentLogger,
    component: "test",
    instance: "here",
  });
});

const object = (name: string, namespace?: string) => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Volume",
  metadata: { name, uid: `uid-${name}`, ...(namespace === undefined ? {} : { namespace }) },
});
const note = (message: string): EventInput => ({ type: "Normal", reason: "Changed", message });
const events = async () => (await world.client().list(EVENTS)).items;

it("writes an Event beside its object, those of cluster-scoped objects into default", async () => {
  recorder.record(object("v1", "ns"), note("created"));
  recorder.record(object("h1"), note("joined"));
  await recorder.flush();
  const found = (await events()).map((event) => [event.metadata.namespace, event.involvedObject.name, event.message]);
  expect(found).toEqual(
    expect.arrayContaining([
      ["ns", "v1", "created"],
      ["default", "h1", "joined"],
    ]),
  );
  expect(found).toHaveLength(2);
});

it("counts what repeats instead of writing it again", async () => {
  for (let i = 0; i < 5; i += 1) {
    recorder.record(object("v1", "ns"), note("created"));
    await world.clock.advance(60_000);
  }
  await recorder.flush();
  const [event, ...others] = await events();
  expect(others).toEqual([]);
  expect(event).toMatchObject({
    count: 5,
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:04:00Z",
  });
});

it("starts a new Event when the old one has expired on the server", async () => {
  recorder.record(object("v1", "ns"), note("created"));
  await recorder.flush();
  const [event] = await events();
  await world.client().delete(EVENTS, { namespace: "ns", name: event!.metadata.name! });
  recorder.record(object("v1", "ns"), note("created"));
  await recorder.flush();
  expect(await events()).toMatchObject([{ count: 1 }]);
});

it("folds many messages of one reason into one Event", async () => {
  for (let i = 0; i < 15; i += 1) recorder.record(object("v1", "ns"), note(`message ${i}`));
  await recorder.flush();
  const found = await events();
  expect(found).toHaveLength(11);
  expect(found.find((event) => event.message.startsWith("(combined"))).toMatchObject({
    count: 5,
    message: "(combined from similar events): message 14",
  });
});

it("limits one object's Events, and leaves others alone", async () => {
  for (let i = 0; i < 100; i += 1) recorder.record(object("noisy", "ns"), note("again"));
  recorder.record(object("calm", "ns"), note("once"));
  await recorder.flush();
  const counts = new Map((await events()).map((event) => [event.involvedObject.name, event.count]));
  expect(counts).toEqual(
    new Map([
      ["noisy", 25],
      ["calm", 1],
    ]),
  );
  await world.clock.advance(600_000);
  for (let i = 0; i < 10; i += 1) recorder.record(object("noisy", "ns"), note("again"));
  await recorder.flush();
  expect((await events()).find((event) => event.involvedObject.name === "noisy")?.count).toBe(27);
});

it("loses Events when the API is away, and nothing else", async () => {
  link.cut();
  recorder.record(object("v1", "ns"), note("lost"));
  await recorder.flush();
  link.mend();
  recorder.record(object("v1", "ns"), note("kept"));
  await recorder.flush();
  expect((await events()).map((event) => event.message)).toEqual(["kept"]);
});
