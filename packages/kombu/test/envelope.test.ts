import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope, encodeEnvelope, rawContent } from "../src/envelope.js";
import type { MessageContent, MessageProperties } from "../src/message-content.js";
import { SerializerRegistry } from "../src/serialization.js";

/** What Python's kombu stored, with what its program said where that can be said here. */
interface GoldenCase {
  readonly case: string;
  readonly envelope: string;
  readonly publish?: {
    readonly body?: unknown;
    readonly bodyBase64?: string;
    readonly serializer?: string;
    readonly contentType?: string;
    readonly contentEncoding?: string;
    readonly headers?: Record<string, unknown>;
    readonly properties?: MessageProperties;
    readonly exchange: string;
    readonly routingKey: string;
  };
}

function fixture<T>(name: string): readonly T[] {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8"));
}

const golden = fixture<GoldenCase>("envelopes");
const published = golden.filter((c) => c.publish !== undefined);
const foreign = new Map(
  fixture<{ case: string; item: string }>("foreign-envelopes").map((c) => [c.case, Buffer.from(c.item)]),
);
const registry = new SerializerRegistry();

describe("encodeEnvelope()", () => {
  it.each(published)(
    "encodeEnvelope() writes byte for byte what kombu wrote: $case",
    ({ envelope, publish }) => {
      const { bodyBase64, serializer, contentType, contentEncoding, exchange, routingKey } = publish!;
      const { headers = {}, properties = {} } = publish!;
      const value = bodyBase64 === undefined ? publish!.body : Buffer.from(bodyBase64, "base64");
      const dumped = registry.dumps(value, { serializer, contentType, contentEncoding });
      const content: MessageContent = { ...dumped, headers, properties, raw: false };
      const deliveryTag = JSON.parse(envelope).properties.delivery_tag;
      const bytes = encodeEnvelope(content, { exchange, routingKey, deliveryTag });
      expect(Buffer.from(bytes).toString()).toBe(envelope);
    },
  );

  it("encodeEnvelope() refuses headers that JSON cannot hold", () => {
    const content = { ...rawContent(new Uint8Array()), headers: { f: Number.NaN } };
    const address = { exchange: "", routingKey: "q", deliveryTag: "T" };
    expect(() => encodeEnvelope(content, address)).toThrow("JSON cannot hold NaN, at $.f");
  });
});

describe("decodeEnvelope()", () => {
  // Two vectors have a body as text (body_encoding none and utf-8), and Redis marks what it restored inside delivery_info:
  // writing them again gives base64, and leaves the mark to headers.
  const rewritten = golden.filter((c) => !/body_encoding-|reject-requeue$|json-types$/.test(c.case));

  it.each(rewritten)(
    "decodeEnvelope() and encodeEnvelope() give kombu's bytes back: $case",
    ({ envelope }) => {
      const stored = decodeEnvelope(Buffer.from(envelope))!;
      expect(Buffer.from(encodeEnvelope(stored.content, stored)).toString()).toBe(envelope);
    },
  );

  it("decodeEnvelope() gives back what encodeEnvelope() was given", () => {
    const name = fc.string({ maxLength: 20 }).filter((n) => !RESERVED.has(n));
    const contentArbitrary = fc.record(
      {
        body: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
        contentType: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
        contentEncoding: fc.option(fc.string(), { nil: undefined }),
        headers: fc.dictionary(name, fc.jsonValue(), { noNullPrototype: true }),
        properties: fc
          .dictionary(name, fc.jsonValue(), { noNullPrototype: true })
          .map((properties) => ({ ...properties, delivery_mode: 1, priority: 3 })),
        raw: fc.constant(false),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(
        contentArbitrary,
        fc.string(),
        fc.string({ unit: "binary" }),
        (content, exchange, routingKey) => {
          const address = { exchange, routingKey, deliveryTag: "T-1" };
          expect(decodeEnvelope(encodeEnvelope(content, address))).toStrictEqual({
            content,
            ...address,
            redelivered: false,
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  /** The body as text, for the cases of other writers. */
  const read = (name: string) => {
    const stored = decodeEnvelope(foreign.get(name)!);
    return stored && { ...stored, text: Buffer.from(stored.content.body).toString() };
  };

  it.each([
    ["minimal-no-ack", "hi"],
    ["minimal-acked", "hi"],
    ["with-delivery-info", "hi"],
    ["unknown-fields-kept", "hi"],
    ["priority-as-string", "x"],
    ["json-base64", '{"é":1}'],
    ["json-unencoded", '{"é":1}'],
    ["json-body_encoding-utf8", '{"é":1}'],
    ["content-type-with-charset", "{}"],
  ])("decodeEnvelope() reads what others write: %s", (name, text) => {
    expect(read(name)).toMatchObject({ text, deliveryTag: "T1", redelivered: false });
  });

  it("decodeEnvelope() takes an absent address, headers and content type as nothing said", () => {
    expect(read("minimal-no-ack")).toMatchObject({
      exchange: "",
      routingKey: "",
      content: {
        contentType: undefined,
        contentEncoding: undefined,
        headers: {},
        properties: {},
        raw: false,
      },
    });
    expect(read("unknown-fields-kept")).toMatchObject({
      routingKey: "mq",
      content: { headers: { traceparent: "00-.." }, properties: { zzz: 1 } },
    });
  });

  it.each([
    "no-delivery-tag",
    "body-is-object",
    "body-null",
    "body-missing",
    "bad-base64",
    "unknown-body_encoding",
    "not-json",
  ])("decodeEnvelope() leaves a task that is no envelope raw, never losing it: %s", (name) => {
    expect(read(name)).toBeUndefined();
  });

  it.each([
    ["an empty payload", Buffer.alloc(0)],
    ["other JSON", Buffer.from('{"message": "hello"}')],
    ["an array", Buffer.from('[{"body": "", "properties": {"delivery_tag": "T"}}]')],
    ["a number", Buffer.from("12345678901234567890")],
    [
      "bytes that are not UTF-8",
      Buffer.from('{"body": "\xff", "properties": {"delivery_tag": "T"}}', "latin1"),
    ],
    ["a text with a lone surrogate", Buffer.from('{"body": "\\ud800", "properties": {"delivery_tag": "T"}}')],
    ["a bad constant", Buffer.from('{"body": "", "properties": {"delivery_tag": "T"}, "x": nan}')],
    ["properties that are an array", Buffer.from('{"body": "", "properties": ["T"]}')],
    ["an envelope cut short", Buffer.from(golden[0]!.envelope.slice(0, -1))],
    ["base64 that is cut short", Buffer.from(golden[0]!.envelope.replace('=="', '="').replace('J9"', 'J"'))],
  ])("decodeEnvelope() leaves raw: %s", (_, bytes) => {
    expect(decodeEnvelope(bytes)).toBeUndefined();
  });

  it("decodeEnvelope() never throws, whatever the bytes are", () => {
    const whole = Buffer.from(golden.find((c) => c.case === "all-properties")!.envelope);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        decodeEnvelope(changed);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeEnvelope(bytes)));
  });

  it.each(["redelivered at the top", "in the headers", "in the delivery_info"])(
    "decodeEnvelope() knows a restored message by its mark: %s",
    (place) => {
      const envelope = JSON.parse(golden[0]!.envelope);
      const target = place.endsWith("top")
        ? envelope
        : place.endsWith("headers")
          ? envelope.headers
          : envelope.properties.delivery_info;
      target.redelivered = true;
      expect(decodeEnvelope(Buffer.from(JSON.stringify(envelope)))?.redelivered).toBe(true);
    },
  );

  it("decodeEnvelope() reads bodies that kombu did not encode, and those it wrapped", () => {
    const textOf = (name: string) => {
      const stored = decodeEnvelope(Buffer.from(golden.find((c) => c.case === name)!.envelope))!;
      return registry.loads(stored.content.body, stored.content.contentType, stored.content.contentEncoding);
    };
    const value = { hello: "world", n: 1, u: "Thé 董 😀" };
    expect(textOf("body_encoding-none/json")).toStrictEqual(value);
    expect(textOf("body_encoding-utf8/json")).toStrictEqual(value);
    expect(textOf("body_encoding-utf8/binary")).toStrictEqual(new Uint8Array([255, 0]));
  });
});

const RESERVED = new Set([
  ...["delivery_mode", "expiration", "delivery_info", "priority", "body_encoding", "delivery_tag"],
  ...["redelivered", "__type__", "__value__", "__proto__"],
]);
