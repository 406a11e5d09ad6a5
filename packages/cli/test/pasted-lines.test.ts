import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { PASTED_BYTES_MAX } from "../src/limits.js";
import { pastedLines } from "../src/pasted-lines.js";

const GOING_ON = new AbortController().signal;

describe("pastedLines()", () => {
  test("next() gives lines one after the other, without empty ones, and undefined at the end", async () => {
    const { next } = pastedLines(
      Readable.from([Buffer.from("\n one \r\n\ntw"), Buffer.from("o\nthree")]),
      GOING_ON,
    );
    expect([await next(), await next(), await next(), await next(), await next()]).toEqual([
      ...["one", "two", "three", undefined, undefined],
    ]);
  });

  test("end() gives who waits undefined, and lets go of the stream", async () => {
    const input = new PassThrough();
    const { next, end } = pastedLines(input, GOING_ON);
    const waiting = next();
    end();
    expect(await waiting).toBeUndefined();
    expect(input.destroyed).toBe(true);
  });

  test("next() rejects with the signal's reason, and with too_large for a line that no address can be", async () => {
    const abort = new AbortController();
    const waiting = pastedLines(new PassThrough(), abort.signal).next();
    abort.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    const long = Readable.from([Buffer.alloc(PASTED_BYTES_MAX + 1, "x")]);
    await expect(pastedLines(long, GOING_ON).next()).rejects.toMatchObject({ code: "too_large" });
  });
});
