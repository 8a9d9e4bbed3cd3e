import { describe, expect, it, test } from "vitest";
import { escapeFieldValue, matchesFields, parseFieldSelector } from "../../../machinery/field-selector.ts";
import { parseLabelSelector } from "../../../machinery/label-selector-parser.ts";
import { labelSelectorTerms, matchesLabels } from "../../../machinery/selectors.ts";

const matches = (selector: string, labels: Record<string, string>) =>
  matchesLabels(parseLabelSelector(selector), labels);

describe("label selectors", () => {
  test.each([
    ["", {}, true],
    ["a=b", { a: "b" }, true],
    ["a=b", { a: "c" }, false],
    ["a==b", { a: "b" }, true],
    ["a!=b", { a: "b" }, false],
    ["a!=b", {}, true],
    ["a", { a: "" }, true],
    ["a", {}, false],
    ["!a", {}, true],
    ["!a", { a: "x" }, false],
    ["a in (b, c)", { a: "c" }, true],
    ["a in (b, c)", {}, false],
    ["a notin (b, c)", {}, true],
    ["a notin (b,c)", { a: "b" }, false],
    ["a=", { a: "" }, true],
    ["a=", {}, false],
    ["a in (,)", { a: "" }, true],
    ["a>5", { a: "6" }, true],
    ["a>5", { a: "5" }, false],
    ["a<5", { a: "-7" }, true],
    ["a>5", { a: "six" }, false],
    ["a>5", {}, false],
    ["in in (in)", { in: "in" }, true],
    ["a=b,!c", { a: "b", c: "" }, false],
    ["example.com/a=b", { "example.com/a": "b" }, true],
    ["constructor", {}, false],
  ])("%j on %j: %s", (selector, labels, expected) => {
    expect(matches(selector, labels)).toBe(expected);
  });

  test.each([
    ["a=b c", "found 'c', expected: ',' or 'end of string'"],
    [",a", "found ',', expected: !, identifier, or 'end of string'"],
    ["a,", "found '', expected: identifier after ','"],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a in ()", "for 'in', 'notin' operators, values set can't be empty"],
    ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["a=-b", "a valid label must be an empty string or consist of alphanumeric characters"],
    ["-a=b", "name part must consist of alphanumeric characters"],
    ["a/b/c=d", "name part"],
    [`a=${"x".repeat(64)}`, "a valid label must be"],
    ["a>x", "the value must be an integer"],
    ["!a=b", "found '=', expected: ',' or 'end of string'"],
  ])("refuses %j", (selector, message) => {
    expect(() => parseLabelSelector(selector)).toThrow(message);
  });

  it("read the object form", () => {
    const terms = labelSelectorTerms({
      matchLabels: { a: "b" },
      matchExpressions: [{ key: "c", operator: "DoesNotExist" }],
    });
    expect(matchesLabels(terms, { a: "b" })).toBe(true);
    expect(matchesLabels(terms, { a: "b", c: "" })).toBe(false);
    expect(matchesLabels(labelSelectorTerms({}), undefined)).toBe(true);
    expect(() => labelSelectorTerms({ matchExpressions: [{ key: "c", operator: "Near" }] })).toThrow(
      '"Near" is not a valid label selector operator',
    );
  });
});

describe("field selectors", () => {
  test.each([
    ["", true],
    ["metadata.name=a", true],
    ["metadata.name==a,spec.hostName!=b", true],
    ["metadata.name!=a", false],
    ["spec.hostName=", true],
    ["spec.hostName=b", false],
    ["status.text=x\\,y\\=z", true],
  ])("%j: %s", (selector, expected) => {
    const fields = { "metadata.name": "a", "status.text": "x,y=z" };
    expect(matchesFields(parseFieldSelector(selector), fields)).toBe(expected);
  });

  test.each(["a", "a=b=c", "a=b\\", "a=b\\x"])("refuses %j", (selector) => {
    expect(() => parseFieldSelector(selector)).toThrow("selector");
  });

  it("take back what was escaped", () => {
    const value = "a=b,c\\d";
    expect(parseFieldSelector(`f=${escapeFieldValue(value)}`)).toEqual([{ field: "f", operator: "=", value }]);
  });
});
