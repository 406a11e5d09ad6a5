import { spawnSync } from "node:child_process";
import { isMissing } from "@pullqueue/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKombuError } from "../src/errors.js";
import { asUrl, maybeSanitizeUrl, parseUrl, sanitizeUrl, type UrlParts } from "../src/url.js";

const URLS: readonly string[] = [
  "amqp://",
  "amqp://host",
  "amqp://host:1/",
  "amqp://user:pass@host:10000/vhost?heartbeat=5&ssl=1",
  "amqp://user%61:%61pass@host:10000/v%2fhost",
  "redis://:secret@localhost:6379/0",
  "amqp://host/%2f",
  "amqp://host//foo",
  "amqp://[::1]:5672/x",
  "sqla+postgresql://u:p@h/d",
];

describe("parseUrl()", () => {
  it.skipIf(isMissing("python3-kombu"))("takes URLs apart as kombu does", () => {
    const program =
      "import json,sys; from kombu.utils.url import url_to_parts as p; print(json.dumps([p(u) for u in json.load(sys.stdin)]))";
    const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", program], {
      encoding: "utf8",
      input: JSON.stringify(URLS),
    });
    expect(stderr).toBe("");
    const ours = URLS.map(parseUrl).map((parts) => [
      ...[parts.transport, parts.hostname, parts.port, parts.userid, parts.password, parts.virtualHost],
      parts.query ?? {},
    ]);
    expect(JSON.parse(JSON.stringify(ours))).toEqual(JSON.parse(stdout));
  });

  it.each(["host", "amqp:host", "amqp://:s3cret@ho:st:1:2/", "amqp://u:s3cret@h/#", "amqp://h/%zz"])(
    "refuses %s without showing a password",
    (url) => {
      const error = errorOf(() => parseUrl(url));
      expect(isKombuError(error, "invalid_argument")).toBe(true);
      expect(String(error)).not.toContain("s3cret");
    },
  );
});

describe("asUrl()", () => {
  const text = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
    .filter((one) => one.isWellFormed());
  const host = fc.oneof(fc.domain(), fc.ipV6(), fc.ipV4());
  const parts: fc.Arbitrary<UrlParts> = fc.record(
    {
      transport: fc.constantFrom("amqp", "redis+socket", "rediss"),
      hostname: host,
      port: fc.integer({ min: 1, max: 65_535 }),
      userid: text,
      password: text,
      virtualHost: text,
      query: fc.dictionary(fc.constantFrom("a", "b", "c"), text, { minKeys: 1 }),
    },
    { requiredKeys: ["transport"] },
  );

  it("writes what parseUrl() reads as the same parts", () => {
    fc.assert(fc.property(parts, (one) => void expect(parseUrl(asUrl(one))).toEqual({ ...one })));
  });

  it("masks the password where it is asked to, and writes none where there is none", () => {
    const url = "redis://:s3cret@[::1]:1/0?a=b";
    expect(asUrl(parseUrl(url), { sanitize: true })).toBe("redis://:**@[::1]:1/0?a=b");
    expect(asUrl(parseUrl(url), { sanitize: true, mask: "" })).toBe("redis://:@[::1]:1/0?a=b");
    expect(asUrl(parseUrl("redis://host/0"), { sanitize: true })).toBe("redis://host/0");
  });
});

describe("sanitizeUrl()", () => {
  it.each([
    ["amqp://u:s3cret@h/v", "amqp://u:**@h/v"],
    ["redis://:s3@cret@h/0", "redis://:**@h/0"],
    ["redis://:s3/c@ret@h/0", "redis://:**@h/0"],
    ["redis://:s3?c#ret@h:1/0", "redis://:**@h:1/0"],
    ["amqp://user:s3cret@#s3cret@h/v", "amqp://user:**@h/v"],
    ["amqp://user:s3cret@a/s3cret@h/v", "amqp://user:**@h/v"],
    ["amqp://u@h/v", "amqp://u@h/v"],
    ["amqp://u@h:1/v?x=a@b", "amqp://u@h:1/v?x=a@b"],
    ["amqp://h:1/v?x=a@b", "amqp://h:1/v?x=a@b"],
    ["amqp://a:s3cret@h/;amqp://b:s3cret@i/", "amqp://a:**@h/;amqp://b:**@i/"],
    ["no url", "no url"],
  ])("makes of %s the URL %s", (url, expected) => {
    expect(sanitizeUrl(url)).toBe(expected);
  });

  it("never shows a password, whatever is in it", () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom("@", "/", "?", "#", ":", "@/", "@#", "@h:1/"),
    );
    const secret = piece.map((text) => `s3cret${text}s3cret`);
    fc.assert(
      fc.property(secret, (password) => {
        expect(sanitizeUrl(`amqp://user:${password}@host/v`)).not.toContain("s3cret");
      }),
    );
  });

  it("maybeSanitizeUrl() leaves alone what is no URL", () => {
    expect([maybeSanitizeUrl(undefined), maybeSanitizeUrl(5), maybeSanitizeUrl("a:b@c")]).toEqual([
      undefined,
      5,
      "a:b@c",
    ]);
    expect(maybeSanitizeUrl("amqp://u:p@h", "xx")).toBe("amqp://u:xx@h");
  });
});

function errorOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
