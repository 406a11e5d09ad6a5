import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../src/envelope.js";

const BODY = "eyJhIjogMX0=";
const MIDDLE =
  '", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"h": 1}, ' +
  '"properties": {"delivery_mode": 2, "delivery_info": {"exchange": "e", "routing_key": "k"}, "priority": 0, ' +
  '"body_encoding": "base64", "delivery_tag": "';
const envelope = (body: string, tag: string, middle = MIDDLE) => `{"body": "${body}${middle}${tag}"}}`;
const read = (text: string) => decodeEnvelope(Buffer.from(text));

/** What an envelope reads as after one of another shape, so that nothing is remembered of its own. */
function readAlone(text: string) {
  read(envelope("eA==", "other", MIDDLE.replace("application/json", "text/plain")));
  return read(text);
}

describe("decodeEnvelope() after an envelope of the same shape", () => {
  it("takes over all but the body and the delivery tag", () => {
    read(envelope(BODY, "T1"));
    const second = read(envelope("eA==", "T-2.b"));
    expect(second?.content.body).toEqual(Buffer.from("x"));
    expect(second?.deliveryTag).toBe("T-2.b");
    expect(second).toEqual(readAlone(envelope("eA==", "T-2.b")));
  });

  it("gives each message headers and properties of its own, also the first", () => {
    const first = readAlone(envelope(BODY, "T1"));
    const second = read(envelope(BODY, "T2"));
    for (const stored of [first, second]) {
      (stored!.content.headers as Record<string, unknown>).h = 2;
      (stored!.content.properties as Record<string, unknown>).priority = 9;
    }
    const third = read(envelope(BODY, "T3"));
    expect(third?.content.headers).toEqual({ h: 1 });
    expect(third?.content.properties.priority).toBe(0);
  });

  it.each([
    ["an escaped body", "e\\u0041==", "T"],
    ["a body that is no base64", "e", "T"],
    ["a body with a line break", "eA=\n=", "T"],
    ["a tag with an escape", BODY, "T\\n"],
    ["a tag with a quote", BODY, 'T", "x": "y'],
    ["a tag beyond ASCII", BODY, "ü"],
    ["an empty tag", BODY, ""],
  ])("reads %s as if it were alone", (_, body, tag) => {
    const alone = readAlone(envelope(body, tag));
    read(envelope(BODY, "T1"));
    expect(read(envelope(body, tag))).toEqual(alone);
  });

  it.each([
    ["two bodies", MIDDLE.replace('"headers"', '"body": "eA==", "headers"')],
    ["two delivery tags", MIDDLE.replace('"priority"', '"delivery_tag": "A", "priority"')],
    [
      "a tag elsewhere",
      MIDDLE.replace(
        '"body_encoding": "base64", ',
        '"body_encoding": "base64", "delivery_tag":"P"}, "foo": {',
      ),
    ],
    ["an escaped name", MIDDLE.replace('"priority"', '"\\u0064elivery_tag": "A", "priority"')],
    ["nested headers", MIDDLE.replace('{"h": 1}', '{"h": [1]}')],
    ["a mark of a redelivery", MIDDLE.replace('{"h": 1}', '{"redelivered": true}')],
    ["a body that is text", MIDDLE.replace("base64", "utf-8")],
  ])("reads one with %s as if it were alone", (_, middle) => {
    const texts = [envelope(BODY, "T1", middle), envelope("eA==", "T2", middle)];
    const alone = texts.map(readAlone);
    expect(texts.map(read)).toEqual(alone);
    expect([...texts].reverse().map(read)).toEqual([...alone].reverse());
  });
});
