import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeJson, MAX_DEPTH } from "../../../../apiserver/codec/json.ts";
import { ApiError } from "../../../../apiserver/status.ts";

const decode = (text: string) => decodeJson(Buffer.from(text));

describe("decodeJson", () => {
  it.each([
    ['{"spec":{"size":1,"size":2}}', ['duplicate field "spec.size"']],
    ['{"kind":"A","kind":"A"}', ['duplicate field "kind"']],
    ['{"a":[{},{"b":1,"b":2}]}', ['duplicate field "a[1].b"']],
    [String.raw`{"a":1,"\u0061":2}`, ['duplicate field "a"']],
    ['{"a":{"x":1},"a":{"y":1}}', ['duplicate field "a"']],
    ['{"a":1,"a":2,"a":3}', ['duplicate field "a"']],
    ['{"a":{"b":1},"b":{"b":":\\":"}}', []],
  ])("finds the duplicates of %s", (text, duplicates) => {
    expect(decode(text)).toEqual({ value: JSON.parse(text), duplicates });
  });

  it.each([
    ["", "unexpected end of JSON input"],
    ['{"a":1', "unexpected end of JSON input"],
    ['{"a":"x', "unexpected end of JSON input"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ["[1 2]", "invalid character '2' after array element"],
    ["{} x", "invalid character 'x' after top-level value"],
    ["nul", "unexpected end of JSON input"],
    ["nulx", "invalid character 'x' in literal null (expecting 'l')"],
    ['"a\nb"', String.raw`invalid character '\n' in string literal`],
    [String.raw`"\x"`, "invalid character 'x' in string escape code"],
    [String.raw`"\u12g4"`, String.raw`invalid character 'g' in \u hexadecimal character escape`],
    ["-x", "invalid character 'x' in numeric literal"],
    ["\uFEFF{}", "invalid character '\uFEFF' looking for beginning of value"],
  ])("says of %j what Kubernetes says", (text, message) => {
    expect(() => decode(text)).toThrow(new ApiError("BadRequest", message));
  });

  it.each(["9007199254740993", "-9007199254740993", "9223372036854775807"])("refuses to round %s", (literal) => {
    expect(() => decode(`{"spec":{"size":${literal}}}`)).toThrow(`integer ${literal} at "spec.size" cannot be kept`);
  });

  it.each(["9007199254740991", "9007199254740992", "1e20", "0.12345678901234567", "-0"])("takes %s", (literal) => {
    expect(decode(literal).value).toBe(JSON.parse(literal));
  });

  it("refuses numbers that are infinite", () =>
    expect(() => decode("[1e400]")).toThrow('1e400 at "[0]" is out of range'));

  it("refuses __proto__ however it is spelled", () => {
    for (const text of ['{"__proto__":{}}', String.raw`{"a":{"\u005f_proto__":1}}`]) {
      expect(() => decode(text)).toThrow('field name "__proto__" is not allowed');
    }
  });

  it("takes names that every object inherits", () => {
    expect(decode('{"constructor":1,"toString":2}').value).toEqual(JSON.parse('{"constructor":1,"toString":2}'));
  });

  it("bounds nesting", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(decode(nested(MAX_DEPTH)).duplicates).toEqual([]);
    expect(() => decode(nested(MAX_DEPTH + 1))).toThrow("exceeded max depth");
    expect(() => decode(nested(200_000))).toThrow("exceeded max depth");
    expect(() => decode('{"a":'.repeat(200_000))).toThrow("exceeded max depth");
  });

  it("gives back every JSON document without doubtful numbers", () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        fc.pre(!text.includes("__proto__"));
        expect(decode(text)).toEqual({ value: JSON.parse(text), duplicates: [] });
      }),
    );
  });

  it("agrees with the native parser on what is JSON, for damaged documents too", () => {
    const damaged = fc.tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('"', "{", "}", "[", "]", ",", ":", "\\", "1", "-", "e"),
    );
    fc.assert(
      fc.property(damaged, ([text, position, char]) => {
        const at = position % (text.length + 1);
        const broken = text.slice(0, at) + char + text.slice(at);
        fc.pre(!/__proto__|\d{15}|e\+?\d{3}/.test(broken));
        expect(outcome(() => decode(broken).value)).toEqual(outcome(() => JSON.parse(broken)));
      }),
      { numRuns: 2000 },
    );
  });

  it("fails with ApiError only, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeJson(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch {
    return "refused";
  }
}
