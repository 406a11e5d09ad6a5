import { lstat } from "node:fs/promises";
import { AuthError } from "../errors.js";
import type { GoogleCredentials, JsonFields, StoredCredentials } from "../stored-credentials.js";
import { systemCode } from "./file-errors.js";
import { fileKind } from "./file-kinds.js";
import { type FieldsOfFile, isObject, optionalText, requiredText } from "./json-fields.js";
import { multistoreCount, unwrapMultistore } from "./multistore.js";
import { oauth2clientCredentials } from "./oauth2client-file.js";
import { readJsonFile } from "./read-file.js";
import { serviceAccountKeyOf } from "./service-account-key.js";
import { parseExpiry } from "./token-expiry.js";
import { userOf } from "./user-credentials.js";

const WANTED = "credentials";

/** Fields without which google-auth-library makes nothing of such a file. Source: its classes, version 10. */
const GOOGLE_FIELDS: Readonly<Record<GoogleCredentials["kind"], readonly string[]>> = {
  external_account: ["audience", "subject_token_type", "token_url"],
  external_account_authorized_user: ["client_id", "client_secret", "refresh_token", "token_url"],
  impersonated_service_account: ["service_account_impersonation_url"],
};

/**
 * Reads a credentials file and tells its kind by its content: our own, oauth2client's Storage of any age, `authorized_user`, the key of
 * a service account, an external account, an impersonated service account, or `{"access_token": "…"}`. Rejects with `not_found`,
 * `not_permitted` or `invalid_file`, and says what the file is instead.
 */
export async function readCredentials(path: string): Promise<StoredCredentials> {
  return parseCredentials(await readJsonFile(path, WANTED), path);
}

/** The same for a JSON object that has been read; `path` is for errors. Throws `invalid_file`, which quotes nothing of it. */
export function parseCredentials(fields: JsonFields, path: string): StoredCredentials {
  const file = { fields, path };
  const count = multistoreCount(fields);
  if (count !== undefined) return onlyOneOf(file, count);
  if (isObject(fields.installed) || isObject(fields.web)) throw wrongKind(file, SIGN_IN_ADVICE);
  const isOauth2client = typeof fields._class === "string" && typeof fields._module === "string";
  switch (fields.type) {
    case "authorized_user":
      return isOauth2client ? oauth2clientCredentials(file, "pullqueue") : userOf(file, "authorized_user");
    case "service_account":
      return serviceAccountKeyOf(file);
    case "external_account":
    case "external_account_authorized_user":
    case "impersonated_service_account":
      return googleCredentialsOf(file, fields.type);
    default:
      return isOauth2client ? oauth2clientCredentials(file, "oauth2client") : untyped(file);
  }
}

/**
 * Rejects with `invalid_file` unless credentials may be written there without loss: there is no file, or an empty one, or a sign-in or
 * token that the new one replaces. A key of a service account or a `client_secrets.json` would be gone for good.
 */
export async function assertReplaceable(path: string): Promise<void> {
  try {
    if ((await lstat(path)).size === 0) return;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
  }
  const fields = await readJsonFile(path, `${WANTED} that may be replaced`);
  if (isReplaceable(fields, path)) return;
  throw new AuthError(
    "invalid_file",
    `${path}: this is ${fileKind(fields)}, which is not overwritten; give another path for the credentials`,
  );
}

const SIGN_IN_ADVICE =
  "; credentials are made from it by `pullqueue auth login <client_secrets.json> <credentials.json>`";

function isReplaceable(fields: JsonFields, path: string): boolean {
  try {
    const { kind } = parseCredentials(fields, path);
    return kind === "user" || kind === "access_token";
  } catch {
    // A sign-in that lacks something is no loss.
    return fields.type === "authorized_user";
  }
}

/** Files that say nothing of themselves are told by their fields. */
function untyped(file: FieldsOfFile): StoredCredentials {
  const { fields } = file;
  if (fields.type !== undefined) throw wrongKind(file, "");
  if (fields.client_email !== undefined && fields.private_key !== undefined) return serviceAccountKeyOf(file);
  const holdsToken = fields.refresh_token !== undefined || fields.token !== undefined;
  // What `to_json()` of Google's Python library gives, the token.json of its examples.
  if (optionalText(fields, "client_id") !== undefined && holdsToken) return userOf(file, "authorized_user");
  const accessToken = optionalText(fields, "access_token");
  if (accessToken === undefined) throw wrongKind(file, "");
  return { kind: "access_token", accessToken, expiresAtMs: bareExpiryOf(fields) };
}

/** Google's library for Node says `expiry_date`, in milliseconds; Python's OAuth libraries say `expires_at`, in seconds. */
function bareExpiryOf({ expiry, expiry_date: ms, expires_at: seconds }: JsonFields): number | undefined {
  if (typeof ms === "number") return calendarTime(ms);
  return typeof seconds === "number" ? calendarTime(seconds * 1000) : parseExpiry(expiry);
}

/** A number that is no time says nothing. */
function calendarTime(ms: number): number | undefined {
  return Number.isNaN(new Date(ms).getTime()) ? undefined : ms;
}

function googleCredentialsOf(file: FieldsOfFile, kind: GoogleCredentials["kind"]): GoogleCredentials {
  for (const name of GOOGLE_FIELDS[kind]) requiredText(file, name);
  const nested = {
    external_account: "credential_source",
    impersonated_service_account: "source_credentials",
  };
  const name = kind === "external_account_authorized_user" ? undefined : nested[kind];
  if (name !== undefined && !isObject(file.fields[name])) {
    throw new AuthError("invalid_file", `${file.path}: the field "${name}" is missing; expected an object`);
  }
  return { kind, fields: file.fields };
}

function onlyOneOf({ fields, path }: FieldsOfFile, count: number): StoredCredentials {
  const multistore = unwrapMultistore(fields);
  if (multistore === undefined || multistoreCount(multistore.credential) !== undefined) {
    throw new AuthError(
      "invalid_file",
      `${path}: expected one credential, and this file of oauth2client holds ${count}; copy the one that is meant into a file of its own, or sign in again`,
    );
  }
  const inner = parseCredentials(multistore.credential, path);
  return inner.kind === "user" ? { ...inner, fields } : inner;
}

function wrongKind({ fields, path }: FieldsOfFile, advice: string): AuthError {
  return new AuthError(
    "invalid_file",
    `${path}: expected ${WANTED}, and this is ${fileKind(fields)}${advice}`,
  );
}
