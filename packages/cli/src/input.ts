import { createReadStream, ReadStream } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { limits, QueueError } from "@pullqueue/core";

/** What `put` reads: a whole body, or lines, from a file or from standard input. */

/** Lines that came together, with the number of the first, counted from 1. */
export interface LineBatch {
  readonly firstNumber: number;
  readonly lines: readonly Uint8Array[];
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Opens a file for reading. What is wrong with it is said when it is read. */
export function openFile(path: string): Readable {
  return createReadStream(path);
}

/** All bytes of a stream. Throws `too_large` as soon as they are more than a payload may have. */
export async function readBody(input: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(input, signal)) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > limits.PAYLOAD_BYTES_MAX) throw tooLarge("the body", limits.PAYLOAD_BYTES_MAX);
  }
  return Buffer.concat(chunks);
}

/**
 * The lines of a stream without their ends (LF or CRLF), each batch as soon as it has come, so that a pipe that is still
 * written to does not wait. Empty lines are kept: the caller counts. Throws `too_large` for a line longer than
 * `lineBytesMax`, by default a payload's limit, after those before it.
 */
export async function* readLines(
  input: Readable,
  signal: AbortSignal,
  lineBytesMax: number = limits.PAYLOAD_BYTES_MAX,
): AsyncGenerator<LineBatch> {
  let rest: Buffer = Buffer.alloc(0);
  let firstNumber = 1;
  for await (const chunk of chunksOf(input, signal)) {
    const pieces = splitLines(Buffer.concat([rest, chunk]));
    const tooLong = pieces.findIndex((piece) => piece.byteLength > lineBytesMax);
    const lines = pieces.slice(0, tooLong < 0 ? -1 : tooLong);
    if (lines.length > 0) yield { firstNumber, lines };
    if (tooLong >= 0) throw tooLarge(`line ${firstNumber + tooLong}`, lineBytesMax);
    firstNumber += lines.length;
    rest = pieces.at(-1) ?? rest;
  }
  if (rest.byteLength > 0) yield { firstNumber, lines: [withoutReturn(rest)] };
}

/** Whole lines without their ends, and last what is not yet a whole line, perhaps nothing. */
function splitLines(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
    pieces.push(withoutReturn(bytes.subarray(from, end)));
    from = end + 1;
  }
  return [...pieces, bytes.subarray(from)];
}

/** A stream's chunks; an abort ends the stream, so that nothing keeps the process from ending. */
async function* chunksOf(input: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of addAbortSignal(signal, input)) yield Buffer.from(chunk as Uint8Array);
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(nameOf(input), error);
  }
}

function unreadable(name: string, error: unknown): QueueError {
  const { code = "unknown error" } = error as NodeJS.ErrnoException;
  return new QueueError("invalid_argument", `${name} cannot be read (${code})`, { cause: error });
}

/** Standard input has no path, also when it is a file. */
function nameOf(input: Readable): string {
  return input instanceof ReadStream && input.path !== undefined
    ? `the file ${input.path}`
    : "standard input";
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

function tooLarge(what: string, bytesMax: number): QueueError {
  return new QueueError("too_large", `${what} has more than ${bytesMax} bytes, the most of one task`);
}
