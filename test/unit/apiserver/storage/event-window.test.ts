import { expect, it } from "vitest";
import { CacheEvent } from "../../../../apiserver/storage/cache-event.ts";
import { EventWindow } from "../../../../apiserver/storage/event-window.ts";
import { StoredValue } from "../../../../apiserver/storage/value.ts";

const put = (revision: number, bytes: number) =>
  new CacheEvent("put", new StoredValue("/k", revision, "x".repeat(bytes)), undefined);
const revisions = (window: EventWindow, after: number) => window.after(after).map(({ revision }) => revision);

it("keeps so many events, and knows what it no longer has", () => {
  const window = new EventWindow({ events: 3, bytes: 1000 }, 1);
  for (let revision = 2; revision <= 20; revision++) {
    window.push(put(revision, 1));
    const first = Math.max(1, revision - 3);
    expect(window.afterRevision).toBe(first);
    expect(revisions(window, first)).toEqual([first + 1, first + 2, first + 3].filter((each) => each <= revision));
  }
  expect(revisions(window, 19)).toEqual([20]);
  expect(revisions(window, 20)).toEqual([]);
});

it("keeps so many bytes, however many events that is", () => {
  const window = new EventWindow({ events: 100, bytes: 1000 }, 1);
  for (let revision = 2; revision <= 12; revision++) window.push(put(revision, 100));
  expect(window.afterRevision).toBe(2);
  window.push(put(13, 850));
  expect([window.afterRevision, revisions(window, 11)]).toEqual([11, [12, 13]]);
  // Larger than all: it is read from the store.
  window.push(put(14, 2000));
  expect([window.afterRevision, revisions(window, 14)]).toEqual([14, []]);
  window.push(put(15, 10));
  expect([window.afterRevision, revisions(window, 14)]).toEqual([14, [15]]);
});

it("counts the state before, too", () => {
  const window = new EventWindow({ events: 100, bytes: 250 }, 1);
  const before = new StoredValue("/k", 2, "x".repeat(100));
  for (const revision of [3, 4]) {
    window.push(new CacheEvent("put", new StoredValue("/k", revision, "x".repeat(100)), before));
  }
  expect(window.afterRevision).toBe(3);
});
