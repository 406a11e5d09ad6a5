import { describe, expect, test } from "vitest";
import { queueNameOf, queuePageToken, taskPageToken, taskPositionOf } from "../src/page-token.js";

describe("taskPositionOf()", () => {
  test("reads what taskPageToken() wrote", () => {
    const position = { etaUs: 1_767_225_600_000_000, id: "x".repeat(500) };
    expect(taskPositionOf(taskPageToken(position))).toEqual(position);
  });

  test.each(["", "x", "W10", "bnVsbA", queuePageToken("q"), "A".repeat(5000)])("refuses %j", (token) => {
    expect(() => taskPositionOf(token)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "pageToken" }),
    );
  });
});

describe("queueNameOf()", () => {
  test("reads what queuePageToken() wrote", () => {
    expect(queueNameOf(queuePageToken('"ü"'.repeat(60)))).toBe('"ü"'.repeat(60));
  });

  test.each(["", "x", "W10", taskPageToken({ etaUs: 1, id: "a" })])("refuses %j", (token) => {
    expect(() => queueNameOf(token)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "pageToken" }),
    );
  });
});
