import { isUtf8 } from "node:buffer";
import { TextDecoder } from "node:util";
import { bufferOf } from "./buffer-of.js";
import { KombuError } from "./errors.js";

/** Content encodings: the names that Python gives to ways of writing text, and `binary` for bytes that are no text. */

/** Encodings that leave bytes as they are. Kombu's list. */
const BINARY_ENCODINGS: ReadonlySet<string> = new Set(["binary", "ascii-8bit"]);

/** Python's spellings that the Encoding Standard does not know, or takes for windows-1252. */
const NODE_ENCODINGS: ReadonlyMap<string, "latin1" | "ascii" | "utf-8"> = new Map([
  ["utf-8", "utf-8"],
  ["utf8", "utf-8"],
  ["latin-1", "latin1"],
  ["latin1", "latin1"],
  ["iso-8859-1", "latin1"],
  ["iso8859-1", "latin1"],
  ["us-ascii", "ascii"],
  ["ascii", "ascii"],
]);

/** Highest character of each encoding that cannot write them all. */
const HIGHEST_UNIT = { latin1: 0xff, ascii: 0x7f, "utf-8": 0xffff } as const;

/** Whether a content encoding says that the body is bytes, not text. */
export function isBinaryEncoding(encoding: string): boolean {
  return BINARY_ENCODINGS.has(encoding.toLowerCase());
}

/** The text of bytes, or `decode_failed` when they are not of this encoding or nobody knows it. */
export function decodeText(body: Uint8Array, encoding: string): string {
  const known = NODE_ENCODINGS.get(encoding) ?? NODE_ENCODINGS.get(normal(encoding));
  const bytes = bufferOf(body);
  if (known === "latin1") return bytes.toString("latin1");
  if (known !== undefined) {
    // ASCII is UTF-8, and who says ASCII and writes UTF-8 means it.
    if (isUtf8(bytes)) return bytes.toString("utf8");
    throw notOfEncoding(encoding);
  }
  const decoder = decoderOf(normal(encoding));
  if (decoder === undefined) throw new KombuError("decode_failed", unknownEncoding(encoding));
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw notOfEncoding(encoding, cause);
  }
}

/** The bytes of a text, or `not_serializable` when this encoding has no word for some character or cannot be written. */
export function encodeText(text: string, encoding: string): Uint8Array {
  const known = NODE_ENCODINGS.get(normal(encoding));
  if (known === undefined) {
    throw new KombuError(
      "not_serializable",
      `${unknownEncoding(encoding)}; give bytes in that encoding instead`,
    );
  }
  const wrong =
    known === "utf-8" ? undefined : [...text].find((c) => c.codePointAt(0)! > HIGHEST_UNIT[known]);
  if (wrong !== undefined || !text.isWellFormed()) {
    throw new KombuError(
      "not_serializable",
      `${encoding} cannot write ${JSON.stringify(wrong ?? "a lone surrogate")}`,
    );
  }
  return Buffer.from(text, known === "ascii" ? "latin1" : known);
}

function normal(encoding: string): string {
  return encoding.toLowerCase().replaceAll("_", "-");
}

function decoderOf(encoding: string): TextDecoder | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  } catch {
    return undefined; // A RangeError: the Encoding Standard has no such label.
  }
}

function notOfEncoding(encoding: string, cause?: unknown): KombuError {
  return new KombuError("decode_failed", `the body says that it is ${encoding} text, but is not`, { cause });
}

function unknownEncoding(encoding: string): string {
  return `the content encoding must be utf-8, latin-1, us-ascii or binary, got ${JSON.stringify(encoding.slice(0, 60))}`;
}
