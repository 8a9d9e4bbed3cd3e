import { readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { decodeProtobuf } from "../../../../apiserver/codec/protobuf/decode.ts";
import { ApiError } from "../../../../apiserver/status.ts";

const folder = new URL("../../../fixtures/protobuf/", import.meta.url);
const recorded = readdirSync(folder).filter((file) => file.endsWith(".bin"));
const target = { group: "", version: "v1", kind: "ConfigMap" };

/** kubectl prints nulls for unset fields (creationTimestamp); a decoded body has none. */
function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, item) => (item === null ? undefined : item)));
}

it("has recorded bodies", () => expect(recorded.length).toBeGreaterThan(15));

it.each(recorded)("decodes %s into what kubectl prints as JSON", (file) => {
  const printed = JSON.parse(readFileSync(new URL(file.replace(".bin", ".json"), folder), "utf8"));
  expect(decodeProtobuf(readFileSync(new URL(file, folder)), target)).toEqual(withoutNulls(printed));
});

/** Length-delimited field with a one-byte tag and length. */
const field = (tag: number, ...content: number[]) => [(tag << 3) | 2, content.length, ...content];
const text = (value: string) => [...Buffer.from(value)];

const envelope = (apiVersion: string, kind: string, raw: number[]) =>
  Uint8Array.from([
    ...text("k8s\0"),
    ...field(1, ...field(1, ...text(apiVersion)), ...field(2, ...text(kind))),
    ...field(2, ...raw),
  ]);

const TWO_SECONDS_AND_A_HALF = [0x08, 0x02, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];

it("keeps microseconds of a lease, drops the zero time, keeps a zero behind a pointer", () => {
  const spec = [...field(1), ...field(3), ...field(4, ...TWO_SECONDS_AND_A_HALF), 0x28, 0x00];
  const lease = decodeProtobuf(envelope("coordination.k8s.io/v1", "Lease", field(2, ...spec)), target);
  expect(lease.spec).toEqual({ holderIdentity: "", renewTime: "1970-01-01T00:00:02.500000Z", leaseTransitions: 0 });
});

it("refuses an int64 that JSON would round", () => {
  const metadata = field(1, 0x38, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
  expect(() => decodeProtobuf(envelope("v1", "ConfigMap", metadata), target)).toThrow(
    "integer 9223372036854775807 cannot be kept exactly",
  );
});

it("refuses a map key that would replace an object's prototype", () => {
  const data = field(2, ...field(1, ...text("__proto__")), ...field(2, ...text("x")));
  expect(() => decodeProtobuf(envelope("v1", "ConfigMap", data), target)).toThrow('field name "__proto__"');
});

it("skips fields that it does not know", () => {
  const later = [...field(15, ...text("new")), ...field(2, ...field(1, 0x61), ...field(2, 0x62))];
  expect(decodeProtobuf(envelope("v1", "ConfigMap", later), target)).toMatchObject({ data: { a: "b" } });
});

it.each([
  ["no prefix", Buffer.from("{}"), "expected prefix"],
  ["an unserved kind", envelope("apps/v1", "Deployment", []), 'no kind "Deployment" is registered'],
  ["a length past the end", envelope("v1", "ConfigMap", [0x0a, 0x20]), "unexpected EOF"],
  ["a wrong wire type", envelope("v1", "ConfigMap", [0x08, 0x01]), "wrong wireType = 0 for field metadata"],
])("refuses %s as BadRequest", (_, body, message) => {
  expect(() => decodeProtobuf(body, target)).toThrow(message);
  expect(() => decodeProtobuf(body, target)).toThrow(ApiError);
});

it("never fails with anything but an ApiError on damaged bodies", () => {
  const bodies = recorded.map((file) => readFileSync(new URL(file, folder)));
  const damage = fc.record({ body: fc.constantFrom(...bodies), at: fc.nat(300), byte: fc.nat(255), cut: fc.nat(300) });
  fc.assert(
    fc.property(damage, ({ body, at, byte, cut }) => {
      const damaged = Uint8Array.from(body);
      damaged[at % body.length] = byte;
      const outcome = attempt(() => decodeProtobuf(damaged.subarray(0, Math.max(cut, at)), target));
      expect(outcome === undefined || outcome instanceof ApiError).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

function attempt(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
