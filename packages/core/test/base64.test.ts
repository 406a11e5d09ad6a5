import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePayload, encodePayload } from "../src/base64.js";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("encodePayload()", () => {
  test.each([
    [bytes(), ""],
    [bytes(0), "AA=="],
    [bytes(0, 0), "AAA="],
    [bytes(0, 0, 0), "AAAA"],
    [bytes(0xfb, 0xff, 0xfe), "-__-"],
    [new TextEncoder().encode("hello"), "aGVsbG8="],
  ])("writes %o as URL-safe base64 with padding", (payload, text) => {
    expect(encodePayload(payload)).toBe(text);
  });

  test("writes the bytes of a view, not of the buffer under it", () => {
    expect(encodePayload(bytes(1, 2, 3, 4, 5).subarray(1, 3))).toBe("AgM=");
  });
});

describe("decodePayload()", () => {
  test("reads back every length and every byte", () => {
    for (let length = 0; length < 300; length++) {
      const payload = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff);
      expect(Buffer.from(payload).equals(decodePayload(encodePayload(payload)))).toBe(true);
    }
  });

  test.each([
    ["-__-", "the URL-safe alphabet"],
    ["+//+", "the standard alphabet, which Python's client sends"],
    ["+_/-", "both at once"],
  ])("reads %s: %s", (text) => {
    expect([...decodePayload(text)]).toEqual([0xfb, 0xff, 0xfe]);
  });

  test.each(["AA", "AA==", "AAA", "AAA=", ""])("reads %j, with padding or without", (text) => {
    expect(decodePayload(text).every((byte) => byte === 0)).toBe(true);
  });

  test.each([
    "A",
    "AA=",
    "AAA==",
    "AAAA=",
    "AAAA==",
    "AAAA====",
    "=",
    "==",
    "====",
    "A=A=",
    "AA\n==",
    "AAAA\n",
    " AAAA",
    "AA*A",
    "näh!",
    "AAAA AAAA",
  ])("refuses %j, naming the field", (text) => {
    expect(() => decodePayload(text, "payloadBase64")).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "payloadBase64" }),
    );
  });

  test("refuses exactly what the alphabet and the lengths do not allow", () => {
    const isBase64 = (text: string) => {
      const bare = text.replace(/=+$/, "");
      const padded = bare.length === text.length || text.length % 4 === 0;
      return /^[A-Za-z0-9_+/-]*={0,2}$/.test(text) && bare.length % 4 !== 1 && padded;
    };
    const isRead = (text: string) => {
      try {
        return decodePayload(text).byteLength === Math.floor((text.replace(/=+$/, "").length * 3) / 4);
      } catch {
        return false;
      }
    };
    const digits = [..."ABYZabyz0189-_+/"];
    // What Node's decoder skips, stops at, or takes for one of the digits by its low byte.
    const others = ["=", " ", "\n", "\0", "*", "\u00e9", "\u0141", "\u2041", "\ud83d\ude41"];
    const text = fc.tuple(
      fc.array(fc.constantFrom(...digits), { maxLength: 70 }),
      fc.array(fc.oneof(fc.constantFrom(...digits), fc.constantFrom(...others)), { maxLength: 4 }),
      fc.array(fc.constantFrom(...digits), { maxLength: 4 }),
      fc.constantFrom("", "=", "==", "==="),
    );
    fc.assert(
      fc.property(text, (parts) => {
        const joined = parts.flat().join("");
        expect([joined, isRead(joined)]).toEqual([joined, isBase64(joined)]);
      }),
      { numRuns: 5000 },
    );
  });

  test("the complaint about a long text never repeats all of it", () => {
    expect(() => decodePayload("!".repeat(100_000))).toThrow(/^.{0,160}\(100000 characters\)$/);
  });
});
