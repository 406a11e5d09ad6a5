import { Readable } from "node:stream";
import { limits } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { openFile, readBody, readLines } from "../src/input.js";

const never = new AbortController().signal;

async function linesOf(chunks: readonly (string | Uint8Array)[], signal = never) {
  const batches = [];
  for await (const { firstNumber, lines } of readLines(Readable.from(chunks.map(bytes)), signal)) {
    batches.push([firstNumber, ...lines.map((line) => Buffer.from(line).toString("latin1"))]);
  }
  return batches;
}

function bytes(chunk: string | Uint8Array): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk;
}

describe("readLines()", () => {
  test("readLines() gives what has come, and joins a line that came in pieces", async () => {
    expect(await linesOf(["a\nb", "c", "d\ne\n"])).toEqual([
      [1, "a"],
      [2, "bcd", "e"],
    ]);
  });

  test("readLines() gives a last line without an end, keeps empty ones and drops carriage returns", async () => {
    expect(await linesOf(["a\r\n\r\nb\n\nc"])).toEqual([
      [1, "a", "", "b", ""],
      [5, "c"],
    ]);
    expect(await linesOf(["a\r", "\n"])).toEqual([[1, "a"]]);
    expect(await linesOf([])).toEqual([]);
  });

  test("readLines() keeps bytes that are no text", async () => {
    expect(await linesOf([new Uint8Array([0xff, 0x00, 0x0a, 0xfe])])).toEqual([
      [1, "\u00ff\u0000"],
      [2, "\u00fe"],
    ]);
  });

  test("readLines() gives the lines before one that is too long, and names that one", async () => {
    const long = "x".repeat(limits.PAYLOAD_BYTES_MAX + 1);
    const seen: unknown[] = [];
    const reading = async () => {
      for await (const batch of readLines(Readable.from([Buffer.from(`a\nb\n${long}`)]), never))
        seen.push(batch);
    };
    await expect(reading()).rejects.toMatchObject({
      code: "too_large",
      message: expect.stringContaining("line 3"),
    });
    expect(seen).toHaveLength(1);
  });
});

describe("readBody()", () => {
  test("readBody() takes as much as a payload may have and not one byte more", async () => {
    const whole = Buffer.alloc(limits.PAYLOAD_BYTES_MAX, 1);
    expect(await readBody(Readable.from([whole]), never)).toHaveLength(limits.PAYLOAD_BYTES_MAX);
    await expect(readBody(Readable.from([whole, Buffer.alloc(1)]), never)).rejects.toMatchObject({
      code: "too_large",
    });
  });

  test("readBody() of a file that is not there says so", async () => {
    await expect(readBody(openFile("/tmp/there is no such file"), never)).rejects.toMatchObject({
      code: "invalid_argument",
      message: "the file /tmp/there is no such file cannot be read (ENOENT)",
    });
  });

  test("readBody() ends with the signal's own reason, and ends its stream", async () => {
    const abort = new AbortController();
    const silent = new Readable({ read() {} });
    const reading = readBody(silent, abort.signal);
    const reason = { kind: "interruption" };
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(silent.destroyed).toBe(true);
  });
});
