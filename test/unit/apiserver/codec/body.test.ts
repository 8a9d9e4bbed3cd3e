import { describe, expect, it } from "vitest";
import { decodeApplyPatch, decodeBody, decodePatch, strictDecodingError } from "../../../../apiserver/codec/body.ts";

const widget = { group: "example.com", version: "v1", kind: "Widget" };
const bytes = (text: string) => Buffer.from(text);

describe("decodeBody", () => {
  it("gives the object and what strict validation would refuse", () => {
    expect(decodeBody(bytes('{"a":1,"a":2}'), "application/json", widget)).toEqual({
      object: { a: 2 },
      strictErrors: ['duplicate field "a"'],
    });
    expect(decodeBody(bytes("a: 1"), "application/yaml", widget).object).toEqual({ a: 1 });
  });

  it.each([
    ["{", "unexpected end of JSON input ({)"],
    ["", "unexpected end of JSON input (<empty>)"],
    ["[]", "json: cannot unmarshal array into Go value of type map[string]interface {} (5b5d)"],
    ["hello", "invalid character 'h' looking for beginning of value (68656c6c6f)"],
  ])("explains what is wrong with %j", (text, message) => {
    expect(() => decodeBody(bytes(text), "application/json", widget)).toThrow(
      `the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: ${message}`,
    );
  });
});

it("explains an unreadable apply patch", () => {
  expect(() => decodeApplyPatch(bytes("a: ["))).toThrow("error decoding YAML: yaml: line 1:");
  expect(() => decodeApplyPatch(bytes("- a"))).toThrow("cannot unmarshal array");
});

it("takes any JSON as a patch and leaves its form to the patch's kind", () => {
  expect(decodePatch(bytes("[]")).patch).toEqual([]);
  expect(() => decodePatch(bytes("x"))).toThrow("error decoding patch: invalid character 'x'");
});

it("joins strict errors as kubectl users know them", () => {
  expect(strictDecodingError(widget, ['unknown field "spec.x"', 'duplicate field "a"']).message).toBe(
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.x", duplicate field "a"',
  );
});

it("says of a YAML body with too many parts that it is too large, not that it is malformed", () => {
  const body = bytes(`a: [${"b,".repeat(50_000)}]`);
  const tooLarge = expect.objectContaining({ reason: "RequestEntityTooLarge", code: 413 });
  expect(() => decodeApplyPatch(body)).toThrow(tooLarge);
  expect(() => decodeBody(body, "application/yaml", widget)).toThrow(tooLarge);
});
