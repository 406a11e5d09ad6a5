import { AuthError } from "../errors.js";
import { GOOGLE_TOKEN_URI, type ServiceAccountKey } from "../stored-credentials.js";
import { type FieldsOfFile, optionalAddress, optionalText, requiredText } from "./json-fields.js";

/** Reads a service account's key as Google's console gives it. */
export function serviceAccountKeyOf(file: FieldsOfFile): ServiceAccountKey {
  const privateKey = pemOf(requiredText(file, "private_key"));
  if (privateKey === undefined) {
    throw new AuthError(
      "invalid_file",
      `${file.path}: the field "private_key" is not a key in PEM form; download the key again`,
    );
  }
  return {
    kind: "service_account",
    clientEmail: requiredText(file, "client_email"),
    privateKey,
    privateKeyId: optionalText(file.fields, "private_key_id"),
    tokenUri: optionalAddress(file, "token_uri") ?? GOOGLE_TOKEN_URI,
  };
}

/** The PEM text of a private key, or undefined. Keys that went through a shell's variable often have `\n` in two characters. */
export function pemOf(text: string): string | undefined {
  const pem = text.includes("\n") ? text : text.replaceAll("\\n", "\n");
  return /^\s*-----BEGIN (?:RSA )?PRIVATE KEY-----\s/.test(pem) ? pem : undefined;
}
