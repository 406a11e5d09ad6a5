import { MIMEType } from "node:util";
import { QueueError } from "@pullqueue/core";
import { BATCH_CALLS_MAX, BATCH_FALSE_BOUNDARIES_MAX } from "./limits.js";

/** Bodies of many parts (RFC 2046, 5.1), taken apart without copying. Lines may end with CRLF or LF alone. */

/** The characters and length that RFC 2046 allows. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;

/** The boundary that a request's Content-Type names. Throws `invalid_argument` unless it is `multipart/mixed` with one. */
export function readBoundary(contentType: string | null): string {
  const type = parseMediaType(contentType);
  const boundary = type?.params.get("boundary") ?? "";
  if (type?.essence === "multipart/mixed" && BOUNDARY.test(boundary)) return boundary;
  throw malformed(
    `its Content-Type must be multipart/mixed; boundary=… (1 to 70 characters), got ${quote(contentType ?? "none")}`,
  );
}

/** A media type, or undefined for what is none. */
export function parseMediaType(text: string | null): MIMEType | undefined {
  try {
    return text === null ? undefined : new MIMEType(text);
  } catch {
    // It says no more than that it is none.
    return undefined;
  }
}

/**
 * The parts between the boundaries; what stands before the first and behind the last is ignored. Throws
 * `invalid_argument` when there are none or more than `BATCH_CALLS_MAX`, or when the closing boundary is missing.
 */
export function splitParts(body: Buffer, boundary: string): readonly Buffer[] {
  const parts: Buffer[] = [];
  let start: number | undefined;
  for (const delimiter of delimiters(body, `--${boundary}`)) {
    if (start !== undefined) parts.push(body.subarray(start, Math.max(start, delimiter.lineStart)));
    if (parts.length > BATCH_CALLS_MAX) {
      throw malformed(`it may hold at most ${BATCH_CALLS_MAX} calls; send several batches`);
    }
    if (delimiter.closes) return atLeastOne(parts);
    start = delimiter.end;
  }
  if (start === undefined) throw malformed(`no line of it is its boundary, --${boundary}`);
  throw malformed(`it ended in part ${parts.length + 1}, before its closing boundary, --${boundary}--`);
}

/** A request for many calls that is none. Nothing of it was done. */
export function malformed(what: string): QueueError {
  return new QueueError("invalid_argument", `the batch cannot be read, and nothing was done: ${what}`, {
    reason: "parseError",
  });
}

/** Foreign text in a complaint. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

interface Delimiter {
  /** Where the line break before it begins: it belongs to the delimiter, not to the part. */
  readonly lineStart: number;
  /** Where the line after it begins. */
  readonly end: number;
  readonly closes: boolean;
}

function* delimiters(body: Buffer, dashed: string): Generator<Delimiter> {
  const length = Buffer.byteLength(dashed);
  // Only the first line has no line break before it.
  const begins = body.subarray(0, length).equals(Buffer.from(dashed));
  let at = begins ? 0 : lineThatBegins(body, dashed, 0);
  for (let falseOnes = 0; at !== -1; at = lineThatBegins(body, dashed, at + length)) {
    const behind = at + length;
    const closes = body[behind] === HYPHEN && body[behind + 1] === HYPHEN;
    const end = closes ? behind + 2 : endOfPadding(body, behind);
    if (end !== undefined) yield { lineStart: lineBreakBefore(body, at), end, closes };
    else falseOnes += 1;
    if (falseOnes > BATCH_FALSE_BOUNDARIES_MAX) {
      throw malformed("too many lines of it begin as its boundary does and go on; choose another boundary");
    }
  }
}

function lineThatBegins(body: Buffer, dashed: string, start: number): number {
  const lineBreak = body.indexOf(`\n${dashed}`, start);
  return lineBreak === -1 ? -1 : lineBreak + 1;
}

/** Where the line ends that holds nothing but blanks from here on; undefined when it is longer: then it is no delimiter. */
function endOfPadding(body: Buffer, start: number): number | undefined {
  let at = start;
  while (body[at] === 0x20 || body[at] === 0x09) at += 1;
  if (body[at] === CR) at += 1;
  return body[at] === LF ? at + 1 : undefined;
}

function lineBreakBefore(body: Buffer, at: number): number {
  if (at === 0) return 0;
  return at > 1 && body[at - 2] === CR ? at - 2 : at - 1;
}

function atLeastOne(parts: readonly Buffer[]): readonly Buffer[] {
  if (parts.length === 0) throw malformed("it must hold at least one call");
  return parts;
}
