import { open } from "node:fs/promises";
import type { TokenSource } from "@pullqueue/core";
import { KombuError } from "../errors.js";
import { CREDENTIALS_FILE_BYTES_MAX } from "../limits.js";
import type { AccessTokenFunction } from "../options.js";

/** Where access tokens come from until this library can sign in: the program itself, or a file that holds one. */

/** A source of the given token, or of whatever the function gives. */
export function tokenSourceOf(accessToken: string | AccessTokenFunction): TokenSource {
  return {
    async getAccessToken(request) {
      const token = typeof accessToken === "string" ? accessToken : await accessToken(request);
      if (typeof token === "string" && token !== "") return token;
      throw new KombuError(
        "unauthenticated",
        "the accessToken function gave no token; it must give a string",
      );
    },
  };
}

/** A source of a file's token. The file is read again when the server has refused its token: somebody may have renewed it. */
export function fileTokenSource(path: string): TokenSource {
  let token: Promise<string> | undefined;
  return {
    async getAccessToken({ rejected }) {
      if (rejected !== undefined) token = undefined;
      token ??= readTokenFile(path);
      try {
        return await token;
      } catch (error) {
        token = undefined; // The next call reads again.
        throw error;
      }
    },
  };
}

/** What else such a file may be, told by its fields. */
const OTHER_KINDS: readonly { readonly what: string; readonly is: (fields: Fields) => boolean }[] = [
  { what: "the client secrets of an application", is: (f) => "installed" in f || "web" in f },
  { what: "the key of a service account", is: (f) => f.type === "service_account" },
  { what: "a user's stored sign-in (authorized_user)", is: (f) => f.type === "authorized_user" },
  { what: "an oauth2client Storage file", is: (f) => "_class" in f || "_module" in f || "file_version" in f },
  { what: "an application's or user's OAuth credentials", is: (f) => "client_id" in f || "type" in f },
];

type Fields = Readonly<Record<string, unknown>>;

/** The token of a file `{"access_token": "…"}`. Error: `invalid_argument`, saying what the file is instead. */
async function readTokenFile(path: string): Promise<string> {
  const fields = fieldsOf(await readText(path));
  if (fields === undefined) throw refused(path, "not a JSON object");
  const other = OTHER_KINDS.find(({ is }) => is(fields));
  if (other !== undefined) throw refused(path, other.what);
  const token = fields.access_token;
  if (typeof token === "string" && token !== "") return token;
  throw refused(path, "a JSON object without a text access_token");
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const buffer = Buffer.alloc(CREDENTIALS_FILE_BYTES_MAX + 1);
    const { bytesRead } = await file.read(buffer);
    if (bytesRead <= CREDENTIALS_FILE_BYTES_MAX) return buffer.toString("utf8", 0, bytesRead);
  } catch (cause) {
    throw new KombuError(
      "invalid_argument",
      `the credentials file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  throw refused(path, `larger than ${CREDENTIALS_FILE_BYTES_MAX} bytes`);
}

function fieldsOf(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined; // Not JSON; the caller says so, without the parser's quote of what may be a secret.
  }
}

function refused(path: string, what: string): KombuError {
  return new KombuError(
    "invalid_argument",
    `the credentials file ${path} is ${what}; signing in is not supported yet, so that only {"access_token": "…"} is read. Give such a file, or the option accessToken`,
  );
}
