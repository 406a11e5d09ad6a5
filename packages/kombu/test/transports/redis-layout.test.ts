import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redisSettings } from "../../src/redis-options.js";
import { markRedelivered, readItem, readRecord } from "../../src/transports/redis-item.js";
import { firstItemSpan, memberSpan, withMember } from "../../src/transports/redis-json.js";
import { bindingTakes, RedisLayout, topicPattern } from "../../src/transports/redis-layout.js";
import { newDeliveryTag, publishedAtMs } from "../../src/transports/redis-tags.js";

const layoutOf = (options: object = {}) => new RedisLayout(redisSettings({ ...options }));

describe("RedisLayout", () => {
  it("group() has the lists in the order of service, after what belongs to all of them", () => {
    expect(layoutOf().group("q")).toEqual([
      "q\x06\x16delayed",
      "q\x06\x16expires",
      "q",
      "q\x06\x163",
      "q\x06\x166",
      "q\x06\x169",
    ]);
    const own = layoutOf({ globalKeyprefix: "p:", sep: "|", prioritySteps: [0, 5], urgentFirst: "highest" });
    expect(own.lists("q")).toEqual(["p:q|5", "p:q"]);
    expect([own.place(0), own.place(4), own.place(5), own.place(99), own.place(-1)]).toEqual([3, 3, 2, 2, 3]);
  });

  it.each(["\x06\x16", ":"])("readMember() reads what member() wrote, separator %j", (sep) => {
    const layout = layoutOf({ sep });
    for (const [key, queue, isTopic] of [
      ["key", "q", false],
      ["", "q", false],
      ["a.#", "q", true],
      ["key", "host:6379", false],
      ["a.*", "host:6379", true],
    ] as const) {
      const binding = layout.readMember(layout.member(key, queue, isTopic))!;
      expect([binding.routingKey, binding.queue, binding.pattern !== ""]).toEqual([key, queue, isTopic]);
    }
    expect(layout.readMember("no member")).toBeUndefined();
  });

  it("bindingTakes() goes by the key, not by the stored pattern", () => {
    const binding = { routingKey: "a.*", pattern: "^a\\..*?[^\\.]$", queue: "q" };
    expect([bindingTakes(binding, "a.b"), bindingTakes(binding, "a.b.c")]).toEqual([true, false]);
    const direct = { routingKey: "a.*", pattern: "", queue: "q" };
    expect([bindingTakes(direct, "a.*"), bindingTakes(direct, "a.b")]).toEqual([true, false]);
  });

  it("keyedChannels() means the letters of the exchange's name", () => {
    expect(layoutOf().keyedChannels("a*[b]?\\")).toBe("/0.a\\*\\[b\\]\\?\\\\/*");
  });
});

describe("topicPattern()", () => {
  it.each([
    ["stock.us.*", "^stock\\.us\\..*?[^\\.]$"],
    ["#", "^.*?$"],
    ["weather.+.(eu)", "^weather\\.\\+\\.\\(eu\\)$"],
    ["a_b-c.é葉.\0", "^a\\_b\\-c\\.é葉\\.\\000$"],
    ["a*.#b", "^a*\\.#b$"],
  ])("%j is stored as %j", (key, pattern) => {
    expect(topicPattern(key)).toBe(pattern);
  });
});

describe("withMember()", () => {
  it("sets one member, and changes nothing else of what readers see", () => {
    const objects = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" }));
    fc.assert(
      fc.property(
        objects,
        fc.constantFrom("a", "b", "redelivered"),
        fc.constantFrom(0, 1, 2),
        (object, name, indent) => {
          const text = JSON.stringify(object, null, indent);
          const { [name]: _old, ...rest } = object;
          const changed = JSON.parse(withMember(text, 0, name, "true"));
          expect(changed).toEqual(JSON.parse(JSON.stringify({ ...rest, [name]: true })));
          for (const key of Object.keys(rest)) {
            if (key === "__proto__") continue;
            const span = memberSpan(text, 0, key);
            if (span !== undefined)
              expect(JSON.parse(text.slice(span.start, span.end))).toEqual(
                JSON.parse(JSON.stringify(rest[key])),
              );
          }
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });

  it("leaves digits, spaces and unknown fields as they are", () => {
    const text = '{ "n": 12345678901234567890.10, "s": "a\\"}b\\\\" , "o": { "x" : [1, {}] } }';
    expect(withMember(text, 0, "new", "1")).toBe(`${text.slice(0, -1)}, "new": 1}`);
    expect(withMember("{ }", 0, "new", "1")).toBe('{ "new": 1}');
  });

  it("firstItemSpan() ends where the first item ends, whatever is in it", () => {
    const text = ' [ {"a": "]}\\"", "b": [[]]} , "", "q"]';
    const { start, end } = firstItemSpan(text);
    expect(text.slice(start, end)).toBe('{"a": "]}\\"", "b": [[]]}');
  });
});

describe("markRedelivered()", () => {
  it("makes headers where there are none, and leaves what is no envelope alone", () => {
    const bare = readItem(Buffer.from('{"body": "", "properties": {"delivery_tag": "t"}}'));
    expect(String(markRedelivered(bare, 2))).toBe(
      '{"body": "", "properties": {"delivery_tag": "t"}, "headers": {"redelivered": true, "x-delivery-count": 2}}',
    );
    expect(String(markRedelivered(readItem(Buffer.from("raw")), 2))).toBe("raw");
  });
});

describe("readRecord()", () => {
  it.each(["", "no JSON", "{}", "[]", '["text", "", "q"]', '[{"a": 1}, "", 7]'])(
    "%j is nobody's record",
    (text) => {
      expect(readRecord(Buffer.from(text))).toBeUndefined();
    },
  );
});

describe("newDeliveryTag()", () => {
  it("is a UUID of version 7, and tells its time", () => {
    const tag = newDeliveryTag(1_700_000_000_123_456, "f".repeat(64));
    expect(tag).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const stored = readItem(Buffer.from(`{"body": "", "properties": {"delivery_tag": "${tag}"}}`)).stored!;
    expect(publishedAtMs(stored)).toBe(1_700_000_000_123);
  });

  it("a tag of Python tells none, unless the message has a timestamp", () => {
    const tag = "3f4940fb-f73e-41f0-afed-258a3f43cc0b";
    const at = (more: string) =>
      publishedAtMs(
        readItem(Buffer.from(`{"body": "", "properties": {"delivery_tag": "${tag}"${more}}}`)).stored!,
      );
    expect([at(""), at(', "timestamp": 1700000000'), at(', "timestamp": "x"')]).toEqual([
      undefined,
      1_700_000_000_000,
      undefined,
    ]);
  });
});
