import fc from "fast-check";
import { expect, it } from "vitest";
import { frame, FrameReader } from "../../../../../../apiserver/storage/etcd/rpc/frames.ts";

const message = (bytes: Uint8Array) => frame((writer) => writer.uint32(10).bytes(bytes));

it("puts the length before the message", () => {
  expect([...frame(() => {})]).toEqual([0, 0, 0, 0, 0]);
  expect([...message(Buffer.from("ab"))]).toEqual([0, 0, 0, 0, 4, 10, 2, 97, 98]);
  const large = message(Buffer.alloc(70_000));
  expect(large.readUInt32BE(1)).toBe(large.length - 5);
});

it("finds the messages again, however they were cut on the way", () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(contents, fc.array(fc.nat({ max: 60 })), (parts, sizes) => {
      const sent = parts.map(message);
      let rest = Buffer.concat(sent);
      const reader = new FrameReader();
      const received: Buffer[] = [];
      for (const size of [...sizes, Number.MAX_SAFE_INTEGER]) {
        received.push(...reader.push(rest.subarray(0, size)));
        rest = rest.subarray(size);
      }
      expect(received.map((each) => each.toString("hex"))).toEqual(sent.map((each) => each.toString("hex", 5)));
      expect(reader.cut).toBe(false);
    }),
  );
});

it("knows when the last message is half there", () => {
  const reader = new FrameReader();
  expect(reader.push(message(Buffer.from("abc")).subarray(0, 7))).toEqual([]);
  expect(reader.cut).toBe(true);
});
