import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type Clock, systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { FILE_BYTES_MAX, READ_ATTEMPTS_MAX, READ_RETRY_MS } from "../limits.js";
import type { JsonFields } from "../stored-credentials.js";
import { fileError } from "./file-errors.js";
import { assertIsPath } from "./file-path.js";
import { isObject } from "./json-fields.js";

/**
 * Reads a file that holds one JSON object. `what` completes "expected …". Rejects with `not_found`, `not_permitted`, `invalid_file`, or
 * `invalid_argument` for what is no path; never quotes what it read. A file that ends in the middle is read again a moment later: oauth2client writes in place, so that a
 * reader may come between.
 */
export async function readJsonFile(
  path: string,
  what: string,
  clock: Clock = systemClock,
): Promise<JsonFields> {
  assertIsPath(path);
  for (let attempt = 1; ; attempt += 1) {
    const bytes = await readBounded(path, what);
    const fields = objectOf(bytes);
    if (fields !== undefined) return fields;
    if (attempt === READ_ATTEMPTS_MAX || !isCut(bytes)) {
      throw new AuthError("invalid_file", `${path}: expected ${what}, and this is ${looksLike(bytes)}`);
    }
    await new Promise<void>((resolve) => clock.timer(READ_RETRY_MS, resolve, { keepAlive: true }));
  }
}

async function readBounded(path: string, what: string): Promise<Buffer> {
  try {
    // Without waiting for somebody to write into a pipe, which no signal could end.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    await assertIsRegular(file, path, what);
    const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
    let bytes = 0;
    while (bytes < buffer.length) {
      const { bytesRead } = await file.read(buffer, bytes, buffer.length - bytes, null);
      if (bytesRead === 0) return buffer.subarray(0, bytes);
      bytes += bytesRead;
    }
  } catch (error) {
    throw fileError(error, path, "read");
  }
  throw new AuthError(
    "invalid_file",
    `${path}: expected ${what}, and this has more than ${FILE_BYTES_MAX} bytes`,
  );
}

/** It is read again at each renewal, which a pipe cannot give twice. */
async function assertIsRegular(file: FileHandle, path: string, what: string): Promise<void> {
  const stats = await file.stat();
  if (stats.isFile() || stats.isDirectory()) return;
  throw new AuthError(
    "invalid_file",
    `${path}: expected ${what}, and this is a pipe or a device; save what it gives in a file (chmod 600)`,
  );
}

/** The JSON object, or undefined where there is none. Windows' editors put a byte order mark before it, which the decoder takes away. */
function objectOf(bytes: Buffer): JsonFields | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(json) ? json : undefined;
  } catch {
    // Not even JSON; the parser's own message quotes the file, which may hold secrets.
    return undefined;
  }
}

/** Whether this may be half of a JSON object. */
function isCut(bytes: Buffer): boolean {
  const text = bytes.toString("latin1").trim();
  return text === "" || (text.startsWith("{") && !isJson(text));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What kind of file it is that is no JSON object, by its first bytes. */
function looksLike(bytes: Buffer): string {
  const text = bytes.toString("latin1").trimStart();
  if (text === "") return "empty";
  if (/^(?:ccopy_reg\n|ccopyreg\n|c__builtin__\n|\(i|\x80[\x01-\x05])/.test(text)) {
    return "a Python pickle, as oauth2client wrote it before it wrote JSON (2011): it is not read, because pickles run programs. Sign in again";
  }
  if (text.startsWith("-----BEGIN")) return "a PEM key or certificate. Give the JSON file it came with";
  if (/^0[\x80-\x84]/.test(text)) return "binary, perhaps a PKCS#12 key (.p12). Download a JSON key instead";
  if (/^(?:\xff\xfe|\xfe\xff)/.test(text)) return "UTF-16 text. Save it as UTF-8";
  if (text.startsWith("{")) return "damaged: it begins as a JSON object and is none";
  return isJson(text) ? "JSON, but not an object" : "not JSON";
}
