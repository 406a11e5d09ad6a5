import { Connection, Queue } from "@pullqueue/kombu";
import { describe, expect, it } from "vitest";

/** A stored message with these headers and properties, as JSON text. */
function stored({ headers = "{}", properties = "" }): Uint8Array {
  const body = Buffer.from('"hi"').toString("base64");
  const text =
    `{"body": "${body}", "content-type": "application/json", "content-encoding": "utf-8", "headers": ${headers}, ` +
    `"properties": {"delivery_tag": "t", "body_encoding": "base64"${properties}}}`;
  return Buffer.from(text);
}

/** The dead letter of a message whose handler always fails. */
async function deadLetterOf(message: Uint8Array) {
  await using connection = new Connection("memory:");
  await connection.producer({ routingKey: "q" }).publish(message, { envelope: false });
  const stop = new AbortController();
  const running = connection.consumer(new Queue("q"), { deadLetter: { queue: "dead" } }).run(
    () => {
      throw new Error("never");
    },
    {
      ...{ attemptsMax: 2, signal: stop.signal, onError: () => {} },
      backoff: { initialMs: 0, maxMs: 0, factor: 1, jitter: 0 },
    },
  );
  try {
    const letter = await connection.simpleQueue("dead", { noAck: true }).get({ timeoutMs: 5_000 });
    expect(letter.payload).toBe("hi");
    return letter;
  } finally {
    stop.abort();
    await running;
  }
}

const DEEP = `${"[".repeat(600)}${"]".repeat(600)}`;

describe("a dead letter", () => {
  it.each<[string, string, unknown]>([
    ["NaN, which only Python writes", "NaN", "NaN"],
    ["infinities", "[Infinity, -Infinity]", ["Infinity", "-Infinity"]],
    ["bytes", '{"__type__": "bytes", "__value__": "hi"}', "aGk="],
    ["an integer of any size", "123456789012345678901234567890", "123456789012345678901234567890"],
    ["an object with its own __proto__", '{"__proto__": NaN}', JSON.parse('{"__proto__": "NaN"}')],
  ])("has as text what came in its headers and cannot be written: %s", async (_what, json, expected) => {
    const letter = await deadLetterOf(stored({ headers: `{"odd": ${json}, "bad": NaN, "kept": 1}` }));
    expect(letter.headers).toMatchObject({ odd: expected, bad: "NaN", kept: 1, "x-death": [{ count: 1 }] });
  });

  it("leaves out what is nested deeper than may be written", async () => {
    const letter = await deadLetterOf(stored({ headers: `{"deep": ${DEEP}}` }));
    expect(JSON.stringify(letter.headers.deep)).toMatch(/^\[{90,}"…"\]{90,}$/);
  });

  it("has as text a property that cannot be written", async () => {
    const letter = await deadLetterOf(stored({ properties: ', "correlation_id": NaN' }));
    expect(letter.properties.correlation_id).toBe("NaN");
  });

  it.each(['"many"', "{}", "NaN", "-3", "1e300", "null"])("counts from the start after %s", async (count) => {
    const death = `{"queue": "q", "reason": "delivery_limit", "count": ${count}}`;
    const letter = await deadLetterOf(stored({ headers: `{"x-death": [${death}]}` }));
    expect(letter.headers["x-death"]).toMatchObject([{ queue: "q", reason: "delivery_limit", count: 1 }]);
  });

  it("goes as it was where what is told of its death would make it too large", async () => {
    const shortForm = 250; // What a whole envelope has beyond this one.
    const filler = "x".repeat(1024 * 1024 - stored({ headers: '{"x": ""}' }).length - shortForm);
    const letter = await deadLetterOf(stored({ headers: `{"x": "${filler}"}` }));
    expect(Object.keys(letter.headers)).toEqual(["x"]);
  });
});
