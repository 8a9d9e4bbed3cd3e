import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { decodeYaml } from "../../../../apiserver/codec/yaml.ts";
import { ApiError } from "../../../../apiserver/status.ts";

const decode = (text: string) => decodeYaml(Buffer.from(text));

describe("decodeYaml", () => {
  it("reads a manifest", () => {
    const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  on: 'yes'\n  n: \"1\"\n";
    const value = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { on: "yes", n: "1" } };
    expect(decode(text)).toEqual({ value, duplicates: [] });
  });

  it("takes a JSON body the JSON way", () => {
    expect(decode(' {"a":1,"a":2}')).toEqual({ value: { a: 2 }, duplicates: ['duplicate field "a"'] });
  });

  it("names the line of a duplicate key, and keeps the last", () => {
    expect(decode("spec:\n  size: 1\n  size: 2\n")).toEqual({
      value: { spec: { size: 2 } },
      duplicates: ['line 3: key "size" already set in map'],
    });
  });

  it("expands anchors and merges", () => {
    expect(decode("a: &x {p: 1}\nb: *x\nc:\n  <<: *x\n  q: 2\n").value).toEqual({
      a: { p: 1 },
      b: { p: 1 },
      c: { p: 1, q: 2 },
    });
  });

  it("refuses an alias bomb quickly", () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `l${i}: &l${i} [${Array(9)
          .fill(i ? `*l${i - 1}` : "x")
          .join(",")}]`,
    );
    expect(() => decode(levels.join("\n"))).toThrow(ApiError);
  });

  it.each([
    ["a: [", "yaml: line"],
    ["a: 1\n---\nb: 2", "more than one document"],
    ["? {a: 1}\n: 2", "keys must be plain scalars"],
    ["a: .inf", 'number at "a" has no JSON form'],
    ["a: 9007199254740993", "integer 9007199254740993 cannot be kept exactly"],
    ["__proto__: {a: 1}", 'field name "__proto__"'],
    [`a: ${"[".repeat(2000)}`, "exceeded max depth"],
    [`${"- ".repeat(3000)}x`, "exceeded max depth"],
    [`a: [${"b,".repeat(50_000)}]`, "YAML may have 40000 lines and elements; send it as JSON"],
    [`a:\n${"- b\n".repeat(50_000)}`, "YAML may have 40000 lines and elements"],
  ])("refuses %j", (text, message) => {
    expect(() => decode(text)).toThrow(message);
    expect(() => decode(text)).toThrow(ApiError);
  });

  it("reads back what is printed as YAML", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const plain = JSON.parse(JSON.stringify(value));
        fc.pre(!JSON.stringify(plain).includes("__proto__"));
        // Printed without quotes, where it stands for a merge.
        fc.pre(!JSON.stringify(plain).includes('"<<"'));
        expect(decode(stringify(plain, { version: "1.2" })).value).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });

  it("fails with ApiError only, whatever the text", () => {
    const fragments = fc.constantFrom(
      "a",
      ": ",
      "- ",
      "\n",
      "  ",
      "[",
      "]",
      "{",
      "}",
      "&x ",
      "*x",
      "!!int ",
      "|",
      '"',
      "'",
      "#",
      "? ",
      "---\n",
      "<<: ",
    );
    fc.assert(
      fc.property(fc.array(fragments, { maxLength: 25 }), (parts) => {
        try {
          decode(parts.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
