import { QUEUE_ERROR_CODES, QueueError } from "@pullqueue/core";
import { describe, expect, it } from "vitest";
import {
  fromQueueError,
  isClosed,
  isEmpty,
  isKombuError,
  isLeaseLost,
  isTimeout,
  KOMBU_ERROR_CODES,
  KombuError,
} from "../src/errors.js";

describe("KombuError", () => {
  it("KombuError keeps code, message, cause and details", () => {
    const cause = new Error("below");
    const error = new KombuError("unavailable", "two of three queues", {
      cause,
      queues: ["a"],
      retryAfterMs: 5,
    });
    expect(error).toMatchObject({
      name: "KombuError",
      code: "unavailable",
      queues: ["a"],
      retryAfterMs: 5,
      cause,
    });
    expect("cause" in new KombuError("empty", "nothing")).toBe(false);
  });

  it("isKombuError() knows its own by code, and those of another copy of the package", () => {
    const other = Object.assign(new Error("x"), { name: "KombuError", code: "empty" });
    expect(isKombuError(other) && isKombuError(other, "empty")).toBe(true);
    expect(isKombuError(other, "timeout")).toBe(false);
    expect(
      [new Error("x"), undefined, { name: "KombuError", code: "empty" }].some((e) => isKombuError(e)),
    ).toBe(false);
  });

  it("isEmpty(), isTimeout(), isClosed() and isLeaseLost() each know one code", () => {
    const guards = { empty: isEmpty, timeout: isTimeout, closed: isClosed, lease_lost: isLeaseLost };
    for (const [code, guard] of Object.entries(guards)) {
      const known = KOMBU_ERROR_CODES.filter((c) => guard(new KombuError(c, "x")));
      expect(known).toEqual([code]);
    }
  });
});

describe("fromQueueError()", () => {
  it.each(QUEUE_ERROR_CODES)(
    "fromQueueError() has a word for the store's %s and keeps message and cause",
    (code) => {
      const below = new QueueError(code, "what happened", { retryAfterMs: 7 });
      expect(fromQueueError(below)).toMatchObject({
        name: "KombuError",
        code: code === "wrong_mode" ? "precondition_failed" : code,
        message: "what happened",
        cause: below,
        retryAfterMs: 7,
      });
    },
  );

  it("fromQueueError() lets our own errors and the reason of an abort through unchanged", () => {
    const own = new KombuError("empty", "x");
    const reason = new QueueError("closed", "a reason that looks like an error of the store");
    expect(fromQueueError(own)).toBe(own);
    expect(fromQueueError(reason, AbortSignal.abort(reason))).toBe(reason);
    expect(fromQueueError(reason, new AbortController().signal)).toMatchObject({ name: "KombuError" });
  });

  it("fromQueueError() gives an error of our own back that a store wrapped, such as a token source's", () => {
    const own = new KombuError("invalid_argument", "the credentials file is something else");
    expect(fromQueueError(new QueueError("unauthenticated", "no token", { cause: own }))).toBe(own);
  });

  it("fromQueueError() makes internal errors of anything else, and does not repeat their text", () => {
    const below = new TypeError("secret detail");
    const error = fromQueueError(below) as KombuError;
    expect(error).toMatchObject({ code: "internal", cause: below });
    expect(error.message).not.toContain("secret");
  });
});
