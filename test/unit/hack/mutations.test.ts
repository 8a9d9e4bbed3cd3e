import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { MUTATIONS } from "../../../hack/mutations/list.ts";
import { linesOf, mutated } from "../../../hack/mutations/run.ts";

const root = resolve(import.meta.dirname, "../../..");

it.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
  "%s: still breaks its lines",
  (_, mutation) => {
    for (const line of linesOf(mutation)) {
      const text = mutated(root, line);
      expect(text).not.toBe(readFileSync(join(root, line.file), "utf8"));
      // A file that does not load would be noticed, and prove nothing.
      expect(() => stripTypeScriptTypes(text)).not.toThrow();
    }
  },
);

it("has each name once", () => {
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
});
