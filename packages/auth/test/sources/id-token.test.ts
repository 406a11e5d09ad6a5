import { describe, expect, test } from "vitest";
import { isFor, readIdToken } from "../../src/sources/id-token.js";
import { idToken } from "../support/sample-credentials.js";

describe("readIdToken()", () => {
  test("readIdToken() reads whom a token is for and how long it lives, and leaves out what is of another type", () => {
    const token = idToken({ aud: ["a", 1, "b"], iat: 1000, exp: 4600 });
    expect(readIdToken(token)).toEqual({
      token,
      audiences: ["a", "b"],
      expiresAtMs: 4_600_000,
      lifeMs: 3_600_000,
    });
    expect(readIdToken(idToken({ aud: "a", iat: "1000", exp: 4600 }))).toMatchObject({
      audiences: ["a"],
      lifeMs: undefined,
    });
    expect(readIdToken("opaque")).toBeUndefined();
    expect(readIdToken(undefined)).toBeUndefined();
  });
});

describe("isFor()", () => {
  test.each<[aud: unknown, audience: string, expected: boolean]>([
    ["https://queue.example.com", "https://queue.example.com", true],
    ["https://queue.example.com", "https://queue.example.com/", true],
    ["https://queue.example.com/", "https://queue.example.com", true],
    [["other", "https://queue.example.com"], "https://queue.example.com", true],
    ["https://queue.example.com", "https://queue.example.com.evil.example", false],
    ["https://queue.example.com/a", "https://queue.example.com", false],
    ["https://queue.example.com", "https://queue.example.com/a", false],
    ["https://QUEUE.example.com", "https://queue.example.com", false],
    ["", "https://queue.example.com", false],
    [undefined, "https://queue.example.com", false],
  ])("isFor() of a token for %j and the audience %s is %s", (aud, audience, expected) => {
    expect(isFor(readIdToken(idToken({ aud }))!, audience)).toBe(expected);
  });
});
