import { AuthError } from "../errors.js";
import {
  type BareToken,
  GOOGLE_TOKEN_URI,
  type ServiceAccountKey,
  type UserCredentials,
} from "../stored-credentials.js";
import { type FieldsOfFile, isObject, optionalAddress, optionalText, requiredText } from "./json-fields.js";
import { pemOf } from "./service-account-key.js";
import { parseExpiry } from "./token-expiry.js";
import { userOf } from "./user-credentials.js";

/** Classes that stand for the machine's own account, which has no secret to be stored. */
const MACHINE_CLASS = /^(?:AppAssertionCredentials|AssertionCredentials|DevshellCredentials)$/;

/** Classes of service accounts, by age: since 2.0, before, the oldest, and that which signs its own tokens. */
const SERVICE_ACCOUNT_CLASS =
  /^(?:ServiceAccountCredentials|_ServiceAccountCredentials|SignedJwtAssertionCredentials|_JWTAccessCredentials)$/;

/**
 * Reads what oauth2client's Storage wrote, of any age. Tells the classes apart by `_class`; `_module` moved several times
 * (`oauth2client.client`, `apiclient.oauth2client.client`, `oauth2client.service_account`, …) and decides nothing. A class that is not
 * known is a person's if it has their fields, since programs derived their own.
 */
export function oauth2clientCredentials(
  file: FieldsOfFile,
  format: UserCredentials["format"],
): UserCredentials | ServiceAccountKey | BareToken {
  const { fields, path } = file;
  const className = optionalText(fields, "_class") ?? "";
  if (MACHINE_CLASS.test(className)) {
    throw new AuthError(
      "invalid_file",
      `${path}: this stands for the account of the machine it was made on, and holds nothing to sign in with; leave the file out, and the machine's account is used`,
    );
  }
  if (SERVICE_ACCOUNT_CLASS.test(className)) return serviceAccountOf(file);
  if (optionalText(fields, "client_id") === undefined) {
    const accessToken = optionalText(fields, "access_token");
    if (accessToken !== undefined) {
      return { kind: "access_token", accessToken, expiresAtMs: parseExpiry(fields.token_expiry) };
    }
  }
  return userOf(file, format);
}

function serviceAccountOf(file: FieldsOfFile): ServiceAccountKey {
  const { fields, path } = file;
  const claims = fields._kwargs ?? fields.kwargs;
  if (isObject(claims) && (claims.sub ?? claims.prn) !== undefined) {
    throw new AuthError(
      "invalid_file",
      `${path}: this service account acts for a person (claim "sub"), which is not supported here; use a key of its own`,
    );
  }
  const stored =
    optionalText(fields, "_private_key_pkcs8_pem") ??
    optionalText(fields, "_private_key_pkcs8_text") ??
    // The oldest class has base64 of whatever it was given: PEM, or PKCS#12.
    Buffer.from(optionalText(fields, "private_key") ?? "", "base64").toString("latin1");
  const privateKey = pemOf(stored);
  if (privateKey === undefined) {
    throw new AuthError(
      "invalid_file",
      `${path}: the key of this service account is in the old form PKCS#12 (.p12), which is not read; download a JSON key of the account and give that file`,
    );
  }
  const emailField =
    fields._service_account_email === undefined ? "service_account_name" : "_service_account_email";
  return {
    kind: "service_account",
    clientEmail: requiredText(file, emailField),
    privateKey,
    privateKeyId: optionalText(fields, "_private_key_id"),
    tokenUri: optionalAddress(file, "token_uri") ?? GOOGLE_TOKEN_URI,
  };
}
