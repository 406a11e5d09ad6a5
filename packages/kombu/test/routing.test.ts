import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BindingDefinition } from "../src/definitions.js";
import { BindingTable, topicMatches } from "../src/routing.js";

describe("topicMatches()", () => {
  it.each([
    ["a.*", "a.b", true],
    ["a.*", "a.b.c", false],
    ["*", "a.b", false],
    ["*.b", "x.y.b", false],
    ["a.#", "a", true],
    ["a.#.b", "a.b", true],
    ["#.b", "b", true],
    ["#", "", true],
    ["*", "", false],
    ["", "", true],
    ["", "a", false],
    ["a.*", "a.b\n", true],
    ["a.b", "a.b\n", false],
    ["a*.b", "axx.b", false],
    ["a*.b", "a*.b", true],
    ["stock.#", "stock.us.nasdaq", true],
    ["stock.us.*", "stock.us.nasdaq", true],
    ["stock.us.*", "stock.europe.OSE", false],
    ["stock.#", "stockxeuropexOSE", false],
    ["weather.+.(eu)", "weather.+.(eu)", true],
    ["#.#.#", "", true],
    ["*.#.*", "a", false],
    ["*.#.*", "a.b", true],
    ["a..b", "a..b", true],
    ["a.*.b", "a..b", true],
  ])("topicMatches() of %j and %j is %s, as AMQP has it", (pattern, key, expected) => {
    expect(topicMatches(pattern, key)).toBe(expected);
  });

  it("topicMatches() agrees with the definition by recursion", () => {
    const matches = (pattern: readonly string[], key: readonly string[]): boolean => {
      const [first, ...rest] = pattern;
      if (first === undefined) return key.length === 0;
      if (first === "#") return matches(rest, key) || (key.length > 0 && matches(pattern, key.slice(1)));
      return key.length > 0 && (first === "*" || first === key[0]) && matches(rest, key.slice(1));
    };
    const words = (alphabet: string[]) =>
      fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(words(["a", "b", "*", "#"]), words(["a", "b"]), (pattern, key) => {
        expect(topicMatches(pattern.join("."), key.join("."))).toBe(matches(pattern, key));
      }),
      { numRuns: 3000 },
    );
  });

  it("topicMatches() needs no more than words times words, whatever the pattern", () => {
    const pattern = `${"#.a.".repeat(60)}b`;
    const key = "a.".repeat(125).slice(0, -1);
    const start = performance.now();
    for (let i = 0; i < 100; i++) expect(topicMatches(pattern, key)).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("BindingTable", () => {
  const binding = (queue: string, routingKey = "", exchange = "e"): BindingDefinition => ({
    exchange,
    queue,
    routingKey,
  });
  const tableOf = (...bindings: readonly BindingDefinition[]) => {
    const table = new BindingTable();
    for (const one of bindings) table.add(one);
    return table;
  };

  it("lookup() of the default exchange is the queue of that name, bound or not", () => {
    expect(new BindingTable().lookup("", "direct", "some-queue")).toEqual(["some-queue"]);
  });

  it("lookup() of a direct exchange gives every queue with the key, in the order of binding", () => {
    const table = tableOf(
      binding("q2", "k"),
      binding("q1", "k"),
      binding("q3", "other"),
      binding("q4", "k", "f"),
    );
    expect(table.lookup("e", "direct", "k")).toEqual(["q2", "q1"]);
    expect(table.lookup("e", "direct", "nobody")).toEqual([]);
    expect(table.lookup("unknown", "direct", "k")).toEqual([]);
    expect(table.lookup("e", "direct", "#")).toEqual([]);
  });

  it("lookup() of a topic exchange gives a queue with overlapping patterns once", () => {
    const table = tableOf(
      binding("q1", "stock.#"),
      binding("q1", "stock.us.*"),
      binding("q1", "#"),
      binding("q2", "stock.*"),
      binding("q3", "*.us.#"),
    );
    expect(table.lookup("e", "topic", "stock.us.nasdaq")).toEqual(["q1", "q3"]);
  });

  it("lookup() of a fanout exchange gives every queue once, whatever the key", () => {
    const table = tableOf(binding("q1", "a"), binding("q1", "b"), binding("q2"));
    expect(table.lookup("e", "fanout", "zzz")).toEqual(["q1", "q2"]);
  });

  it("lookup() says that headers exchanges are not supported", () => {
    expect(() => new BindingTable().lookup("h", "headers", "")).toThrow(
      expect.objectContaining({ code: "not_supported" }),
    );
  });

  it("add() twice changes nothing: the first arguments stay", () => {
    const first = { ...binding("q", "k"), arguments: { n: 1 } };
    const table = tableOf(first, { ...binding("q", "k"), arguments: { n: 2 } });
    expect(table.bindings("e")).toEqual([first]);
    table.remove(binding("q", "k"));
    expect(table.lookup("e", "direct", "k")).toEqual([]);
  });

  it("remove() and its sisters are quiet about what is not there, and leave the others", () => {
    const table = tableOf(binding("q1", "a"), binding("q2", "a"), binding("q1", "b", "f"));
    table.remove(binding("q9", "a"));
    table.remove(binding("q1", "zzz"));
    table.remove(binding("q1", "a", "unknown"));
    table.removeExchange("unknown");
    table.removeQueue("unknown");
    expect(table.bindings()).toHaveLength(3);
    table.removeQueue("q1");
    expect(table.bindings()).toEqual([binding("q2", "a")]);
    table.removeExchange("e");
    expect(table.bindings()).toEqual([]);
  });

  it("add() does not see later changes of what it was given", () => {
    const changing = { exchange: "e", queue: "q", routingKey: "k", arguments: {} };
    const table = tableOf(changing);
    changing.queue = "other";
    expect(table.bindings()[0]?.queue).toBe("q");
  });
});
