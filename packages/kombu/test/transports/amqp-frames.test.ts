import { describe, expect, it } from "vitest";
import type { Client } from "../../src/transports/amqp-client.js";
import { mendIncoming } from "../../src/transports/amqp-frames.js";

/** A frame of AMQP: type, channel 1, size, payload, end. */
function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(1, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.of(0xce)]);
}

/** A header frame with a content type and headers: a number, and a list in a table, of this type of number. */
function header(type: "l" | "L"): Buffer {
  const long = Buffer.concat([Buffer.from(type), Buffer.of(0, 0, 1, 0, 0, 0, 0, 0)]);
  const sized = (tag: string, content: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(content.length);
    return Buffer.concat([Buffer.from(tag), size, content]);
  };
  const key = (name: string) => Buffer.from(`\x01${name}`, "latin1");
  const nested = sized(
    "F",
    Buffer.concat([key("L"), sized("A", Buffer.concat([sized("S", Buffer.from("LL")), long]))]),
  );
  const table = sized("", Buffer.concat([key("n"), long, key("t"), nested]));
  const fixed = Buffer.alloc(12);
  return frame(
    2,
    Buffer.concat([fixed, Buffer.of(0xa0, 0), Buffer.from("\x0bapplication", "latin1"), table]),
  );
}

/** Everything that comes out when the chunks go in. */
function mended(chunks: readonly Buffer[], rest = Buffer.alloc(0)): Buffer {
  const left = [...chunks];
  const connection = { rest, stream: { destroy: () => {}, read: () => left.shift() ?? null } };
  mendIncoming({ connection } as unknown as Client);
  expect(connection.rest.length).toBe(0);
  const read: Buffer[] = [];
  for (let piece = connection.stream.read(); piece !== null; piece = connection.stream.read())
    read.push(piece);
  return Buffer.concat(read);
}

const body = frame(3, Buffer.from("L is left alone in a body"));

describe("mendIncoming()", () => {
  it("mendIncoming() writes Python's large numbers in the type that is known, and nothing else", () => {
    const incoming = Buffer.concat([body, header("L"), body]);
    expect(mended([incoming])).toEqual(Buffer.concat([body, header("l"), body]));
  });

  it("mendIncoming() waits for whole frames, however they come, and begins with what was read before", () => {
    const incoming = Buffer.concat([header("L"), body, header("L")]);
    const expected = Buffer.concat([header("l"), body, header("l")]);
    for (const size of [1, 3, 50]) {
      const chunks: Buffer[] = [];
      for (let offset = 4; offset < incoming.length; offset += size) {
        chunks.push(Buffer.from(incoming.subarray(offset, offset + size)));
      }
      expect(mended(chunks, Buffer.from(incoming.subarray(0, 4)))).toEqual(expected);
    }
  });
});
