import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ApiError } from "../../../../apiserver/status.ts";
import type { JsonObject, KubeObject } from "../../../../machinery/object.ts";
import type { Step } from "./widget-arbitraries.ts";
import { apply, entriesOf, update, widget } from "./widgets.ts";

interface Recorded extends Step {
  readonly expect: { readonly spec: JsonObject; readonly managers: JsonObject; readonly conflicts?: readonly string[] };
}

const file = new URL("../../../fixtures/apply/structured-merge-diff-4.6.0.jsonl", import.meta.url);
const histories = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded[]);

it("has recorded conflicts too", () => {
  expect(histories.flat().filter((step) => step.expect.conflicts !== undefined).length).toBeGreaterThan(10);
});

it.each(histories.map((history, number) => [number, history] as const))(
  "does as Kubernetes did in history %i",
  (_, history) => {
    let live: KubeObject | undefined;
    for (const step of history) {
      let conflicts: readonly (string | undefined)[] | undefined;
      try {
        live = write(live, step);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        conflicts = error.details?.causes?.map(({ field }) => field).sort();
      }
      const entries = live === undefined ? [] : entriesOf(live);
      const managers = Object.fromEntries(
        entries.map((entry) => [`${entry.operation}:${entry.manager}`, entry.fieldsV1]),
      );
      expect({ spec: live?.spec, managers, conflicts }).toEqual({ conflicts: undefined, ...step.expect });
    }
  },
);

function write(live: KubeObject | undefined, { op, manager, spec, force }: Recorded): KubeObject {
  if (op === "apply") return apply(live, manager, widget(spec), { force });
  return update(live, manager, live === undefined ? widget(spec) : { ...live, spec });
}
