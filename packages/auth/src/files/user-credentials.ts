import { AuthError } from "../errors.js";
import { FILE_BYTES_MAX } from "../limits.js";
import { GOOGLE_TOKEN_URI, type JsonFields, type UserCredentials } from "../stored-credentials.js";
import { revokeAddressOf } from "./google-addresses.js";
import { claimsOf } from "./id-token-claims.js";
import {
  type FieldsOfFile,
  isObject,
  optionalAddress,
  optionalText,
  requiredText,
  textList,
} from "./json-fields.js";
import { unwrapMultistore } from "./multistore.js";
import { formatExpiry, parseExpiry } from "./token-expiry.js";

/** Reads the fields of a person's credentials, by whichever of the two libraries' names they are there. */
export function userOf(file: FieldsOfFile, format: UserCredentials["format"]): UserCredentials {
  const { fields, path } = file;
  const tokenUri = optionalAddress(file, "token_uri") ?? GOOGLE_TOKEN_URI;
  const refreshToken = optionalText(fields, "refresh_token");
  const { accessToken, expiresAtMs } = laterToken(fields);
  if (refreshToken === undefined && accessToken === undefined) {
    throw new AuthError(
      "invalid_file",
      `${path}: these credentials hold neither a refresh token nor an access token; sign in again`,
    );
  }
  return {
    kind: "user",
    format,
    clientId: requiredText(file, "client_id"),
    clientSecret: optionalText(fields, "client_secret"),
    refreshToken,
    tokenUri,
    revokeUri: optionalAddress(file, "revoke_uri") ?? revokeAddressOf(tokenUri),
    accessToken,
    expiresAtMs,
    scopes: textList(fields.scopes),
    idToken: optionalText(fields, "id_token_jwt") ?? optionalText(fields, "id_token"),
    isInvalid: fields.invalid === true,
    fields,
  };
}

/**
 * The text of a credentials file: one JSON object with the fields of Google's `authorized_user` and of oauth2client's Storage, so that
 * either library reads it. Every other field is kept, class and module names too, and so is the shell of a file of several
 * credentials, so that whoever wrote the file still reads it. Throws `unavailable` for what would not be read again: an issuer may send more
 * than there is room for.
 */
export function encodeUser(user: UserCredentials): string {
  const text = textOf(user);
  if (text !== undefined && Buffer.byteLength(text) <= FILE_BYTES_MAX) return text;
  throw new AuthError(
    "unavailable",
    `what ${new URL(user.tokenUri).origin} granted cannot be saved: it needs more than ${FILE_BYTES_MAX} bytes`,
  );
}

/** Undefined for what is nested so deeply that it cannot be written. */
function textOf(user: UserCredentials): string | undefined {
  const multistore = unwrapMultistore(user.fields);
  const fields = fieldsOf(user, multistore?.credential ?? user.fields);
  try {
    return `${JSON.stringify(multistore === undefined ? fields : multistore.wrap(fields), null, 2)}\n`;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function fieldsOf(user: UserCredentials, kept: JsonFields): JsonFields {
  const expiry = user.expiresAtMs === undefined ? null : formatExpiry(user.expiresAtMs);
  const claims = user.idToken === undefined ? undefined : claimsOf(user.idToken);
  const response = kept.token_response;
  return {
    ...kept,
    type: "authorized_user",
    client_id: user.clientId,
    // Both libraries want the key to be there; for public clients its value is nothing.
    client_secret: user.clientSecret ?? "",
    refresh_token: user.refreshToken ?? null,
    token: user.accessToken ?? null,
    expiry,
    token_uri: user.tokenUri,
    ...(user.scopes === undefined ? {} : { scopes: user.scopes }),
    ...accountOf(kept, claims),
    _class: optionalText(kept, "_class") ?? "OAuth2Credentials",
    _module: optionalText(kept, "_module") ?? "oauth2client.client",
    access_token: user.accessToken ?? null,
    token_expiry: expiry,
    user_agent: optionalText(kept, "user_agent") ?? null,
    invalid: user.isInvalid,
    revoke_uri: user.revokeUri ?? null,
    // That of an earlier token would be a lie, and its tokens lie about.
    token_response: isObject(response) && response.access_token === user.accessToken ? response : null,
    // Files of before 2016 have the claims alone, which still say who it is.
    id_token: claims ?? (isObject(kept.id_token) ? kept.id_token : null),
    id_token_jwt: user.idToken ?? null,
    token_info_uri: optionalText(kept, "token_info_uri") ?? null,
  };
}

/** Google's libraries keep the person's address under this name. */
function accountOf(kept: JsonFields, claims: JsonFields | undefined): { readonly account?: string } {
  const account = (claims && optionalText(claims, "email")) ?? optionalText(kept, "account");
  return account === undefined ? {} : { account };
}

/**
 * The access token by oauth2client's names or by Google's. Where a program changed one of the two alone, the one that ends later is the
 * newer.
 */
function laterToken(fields: JsonFields): Pick<UserCredentials, "accessToken" | "expiresAtMs"> {
  const tokens = [
    {
      accessToken: optionalText(fields, "access_token"),
      expiresAtMs: parseExpiry(fields.token_expiry),
    },
    { accessToken: optionalText(fields, "token"), expiresAtMs: parseExpiry(fields.expiry) },
  ].filter(({ accessToken }) => accessToken !== undefined);
  const [first, second] = tokens;
  if (first === undefined) return { accessToken: undefined, expiresAtMs: undefined };
  return (second?.expiresAtMs ?? 0) > (first.expiresAtMs ?? 0) && second !== undefined ? second : first;
}
