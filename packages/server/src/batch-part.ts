import { QueueError } from "@pullqueue/core";
import { malformed, parseMediaType, quote } from "./batch-multipart.js";
import { BATCH_HEADERS_MAX, HEADER_BYTES_MAX } from "./limits.js";

/** One part of a batch: a request of `application/http`, in a wrapping with headers of its own. */

/** A call as a part describes it. */
export interface BatchedCall {
  /** As it stood in the part, angle brackets included; undefined when there was none. */
  readonly contentId: string | undefined;
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Buffer;
}

const METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;
/** Google's own examples leave the version out. */
const REQUEST_LINE = /^(\S+) (\S+)(?: HTTP\/1\.[01])?[ \t]*$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s;
/** Tabs, and everything visible; bytes above ASCII are allowed in values, as in HTTP. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TRANSFER_ENCODINGS = new Set(["7bit", "8bit", "binary"]);

/** Reads a part. Throws `invalid_argument` that names it (`number` counts from 1) and says what was expected. */
export function readPart(part: Buffer, number: number): BatchedCall {
  try {
    const wrapping = readHeaders(part, 0);
    checkWrapping(wrapping.headers);
    return {
      contentId: wrapping.headers.get("content-id") ?? undefined,
      ...readRequest(part, wrapping.end),
    };
  } catch (error) {
    // What is said of a part below does not know which one it is.
    throw malformed(`in part ${number}, ${QueueError.from(error).message}`);
  }
}

function checkWrapping(headers: Headers): void {
  const contentType = headers.get("content-type");
  if (parseMediaType(contentType)?.essence !== "application/http") {
    throw wrong(`the Content-Type must be application/http, got ${quote(contentType ?? "none")}`);
  }
  const encoding = headers.get("content-transfer-encoding");
  if (encoding !== null && !TRANSFER_ENCODINGS.has(encoding.toLowerCase())) {
    throw wrong(`the Content-Transfer-Encoding must be binary, 8bit or 7bit, got ${quote(encoding)}`);
  }
}

function readRequest(part: Buffer, start: number): Omit<BatchedCall, "contentId"> {
  let requestLine = nextLine(part, start);
  // Some clients write one line break more than they should.
  while (requestLine?.text === "") {
    if (requestLine.end - start > HEADER_BYTES_MAX)
      throw wrong("there must be a request behind the part's headers");
    requestLine = nextLine(part, requestLine.end);
  }
  if (requestLine === undefined) throw wrong("there must be a request behind the part's headers");
  const [, method = "", target = ""] = REQUEST_LINE.exec(requestLine.text) ?? [];
  if (!METHOD.test(method)) {
    throw wrong(
      `the request line must be METHOD /path HTTP/1.1, got ${quote(withoutQuery(requestLine.text))}`,
    );
  }
  if (!/^\/[\x21-\x7e]*$/.test(target)) {
    throw wrong(
      `the request line must name a path and a query, without scheme and host, got ${quote(withoutQuery(target))}`,
    );
  }
  const { headers, end } = readHeaders(part, requestLine.end);
  return { method, target, headers, body: part.subarray(end) };
}

/** Headers up to an empty line or the end. A line that begins with a blank goes on with the one before it. */
function readHeaders(part: Buffer, start: number): { readonly headers: Headers; readonly end: number } {
  const folded: string[] = [];
  let at = start;
  for (let line = nextLine(part, at); line !== undefined; line = nextLine(part, at)) {
    at = line.end;
    if (at - start > HEADER_BYTES_MAX) throw wrong(`headers must have at most ${HEADER_BYTES_MAX} bytes`);
    if (line.text === "") break;
    if (/^[ \t]/.test(line.text) && folded.length > 0) folded[folded.length - 1] += ` ${line.text.trim()}`;
    else folded.push(line.text);
    if (folded.length > BATCH_HEADERS_MAX) throw wrong(`there must be at most ${BATCH_HEADERS_MAX} headers`);
  }
  const headers = new Headers();
  for (const [index, line] of folded.entries()) {
    const [, name, value = ""] = HEADER_LINE.exec(line) ?? [];
    // Not quoted: it may hold a token, and complaints reach the log.
    if (name === undefined || !HEADER_VALUE.test(value)) {
      throw wrong(`a header must be Name: value, and header ${index + 1} of ${folded.length} is not`);
    }
    headers.append(name, value);
  }
  return { headers, end: at };
}

interface Line {
  /** Without its line break, one character for each byte. */
  readonly text: string;
  /** Where the next line begins. */
  readonly end: number;
}

function nextLine(bytes: Buffer, start: number): Line | undefined {
  if (start >= bytes.length) return undefined;
  const found = bytes.indexOf(0x0a, start);
  const end = found === -1 ? bytes.length : found;
  if (end - start > HEADER_BYTES_MAX) throw wrong(`a line must have at most ${HEADER_BYTES_MAX} bytes`);
  const text = bytes.toString("latin1", start, end);
  return { text: text.endsWith("\r") ? text.slice(0, -1) : text, end: end + 1 };
}

/** What of a request line may be shown: a query may hold a token. */
function withoutQuery(text: string): string {
  return text.replace(/\?.*$/s, "?…");
}

function wrong(message: string): QueueError {
  return new QueueError("invalid_argument", message);
}
