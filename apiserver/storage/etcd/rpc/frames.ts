import protobuf from "protobufjs/minimal.js";

/** A byte that says whether the message is compressed (never: we announce no encoding), then its length in 4 bytes. */
const PREFIX_BYTES = 5;

/** One message as gRPC sends it (grpc/grpc, doc/PROTOCOL-HTTP2.md), from what `write` puts down. */
export function frame(write: (writer: protobuf.Writer) => void): Buffer {
  const writer = protobuf.Writer.create();
  // Room for the prefix, filled in when the length is known: the message is not copied.
  writer.bool(false).fixed32(0);
  write(writer);
  const bytes = writer.finish() as Buffer;
  bytes.writeUInt32BE(bytes.length - PREFIX_BYTES, 1);
  return bytes;
}

/** Cuts what arrives into messages. */
export class FrameReader {
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Of the first message in `#rest`, with its prefix; 0: not known yet. */
  #neededBytes = 0;

  /** Whether the last message is only half there. */
  get cut(): boolean {
    return this.#restBytes > 0;
  }

  /** The messages that `chunk` completes. They share its memory. */
  push(chunk: Buffer): Buffer[] {
    if (this.#restBytes === 0 && chunk.length >= PREFIX_BYTES && sizeOf(chunk) === chunk.length) {
      return [chunk.subarray(PREFIX_BYTES)];
    }
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#restBytes < Math.max(PREFIX_BYTES, this.#neededBytes)) return [];
    return this.#take();
  }

  #take(): Buffer[] {
    const messages: Buffer[] = [];
    let bytes = this.#rest.length === 1 && this.#rest[0] !== undefined ? this.#rest[0] : Buffer.concat(this.#rest);
    this.#neededBytes = 0;
    while (bytes.length >= PREFIX_BYTES) {
      const sizeBytes = sizeOf(bytes);
      if (bytes.length < sizeBytes) {
        this.#neededBytes = sizeBytes;
        break;
      }
      messages.push(bytes.subarray(PREFIX_BYTES, sizeBytes));
      bytes = bytes.subarray(sizeBytes);
    }
    this.#rest = bytes.length === 0 ? [] : [bytes];
    this.#restBytes = bytes.length;
    return messages;
  }
}

const sizeOf = (bytes: Buffer): number => PREFIX_BYTES + bytes.readUInt32BE(1);
