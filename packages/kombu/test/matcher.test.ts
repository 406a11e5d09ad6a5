import { spawnSync } from "node:child_process";
import { MatcherRegistry } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const refusal = (code: string) => expect.objectContaining({ name: "KombuError", code });

/** What Python says of each pair. */
function fnmatched(pairs: readonly (readonly [text: string, pattern: string])[]): readonly boolean[] {
  const program =
    "import fnmatch, json, sys; print(json.dumps([fnmatch.fnmatch(*p) for p in json.load(sys.stdin)]))";
  const input = JSON.stringify(pairs);
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", program], {
    input,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

describe("MatcherRegistry", () => {
  const registry = new MatcherRegistry();

  it.each([
    ["worker1.example.com", "*", true],
    ["worker1.example.com", "worker?.*", true],
    ["worker1.example.com", "worker1", false],
    ["worker1", "WORKER1", false],
    ["w-5", "w[-+][0-4]", false],
    ["w-5", "w[-+][!0-4]", true],
    ["a]b", "a[]]b", true],
    ["a[b", "a[b", true],
    ["a\nb", "a*b", true],
    ["", "**", true],
    ["", "?", false],
    ["😀", "?", true],
  ])("glob: %j fits %j: %j", (text, pattern, fits) => {
    expect(registry.match(text, pattern)).toBe(fits);
    expect(registry.match(text, pattern, "glob")).toBe(fits);
  });

  it.skipIf(isMissing("python3-kombu"))("glob says what Python's fnmatch says", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab-]!^\n😀"), maxLength: 6 });
    const pattern = fc.string({ unit: fc.constantFrom(..."ab-[]!^*?\\😀"), maxLength: 10 });
    const pairs = fc.sample(fc.tuple(text, pattern), { numRuns: 20_000, seed: 11 });
    const theirs = fnmatched(pairs);
    const wrong = pairs.filter((pair, index) => registry.match(...pair) !== theirs[index]);
    expect(wrong).toEqual([]);
    expect(theirs.filter(Boolean).length).toBeGreaterThan(500);
  });

  it("glob does not take long for any pattern", () => {
    expect(registry.match("a".repeat(255), `${"*a".repeat(400)}b`)).toBe(false);
  });

  it.each([
    ["worker1.example.com", "worker\\d", true],
    ["worker1.example.com", "example", false],
    ["worker1", "other|work", true],
    ["worker1", "", true],
  ])("pcre: %j fits %j from its beginning: %j", (text, pattern, fits) => {
    expect(registry.match(text, pattern, "pcre")).toBe(fits);
  });

  it.each(["(", "(?P<name>a)", "a\\Z", "\\\\\\Aa"])(
    "pcre refuses %j, which is not JavaScript's",
    (pattern) => {
      expect(() => registry.match("a", pattern, "pcre")).toThrow(refusal("invalid_argument"));
    },
  );

  it("pcre gives up an expression that would take for ever", () => {
    expect(() => registry.match(`${"a".repeat(100)}b`, "(a+)+$", "pcre")).toThrow(refusal("timeout"));
  });

  it("a pattern over 1000 characters is refused", () => {
    expect(() => registry.match("a", "*".repeat(1_001))).toThrow(refusal("too_large"));
  });

  it("register() adds and replaces, unregister() takes away, and what is not there is not_supported", () => {
    const own = new MatcherRegistry();
    own.register("suffix", (data, pattern) => data.endsWith(pattern));
    expect([own.match("abc", "bc", "suffix"), own.match("abc", "ab", "suffix")]).toEqual([true, false]);
    own.unregister("suffix");
    own.unregister("glob");
    for (const name of ["suffix", "glob", "constructor"]) {
      expect(() => own.match("a", "a", name)).toThrow(refusal("not_supported"));
      expect(() => own.unregister(name)).toThrow(refusal("not_supported"));
    }
    expect(registry.match("a", "a")).toBe(true);
    expect(() => own.register("", () => true)).toThrow(refusal("invalid_argument"));
  });
});
