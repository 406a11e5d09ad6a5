import { AuthError } from "../errors.js";
import { isConfidential } from "../loopback.js";
import { fileKind } from "./file-kinds.js";
import { revokeAddressOf } from "./google-addresses.js";
import {
  type FieldsOfFile,
  isObject,
  optionalAddress,
  optionalText,
  requiredText,
  textList,
} from "./json-fields.js";
import { readJsonFile } from "./read-file.js";

/** An application that people sign in with, as an authorization server's console hands it out. */
export interface ClientSecrets {
  readonly clientId: string;
  /** Public clients have none. */
  readonly clientSecret: string | undefined;
  /** Where people sign in. */
  readonly authUri: string;
  readonly tokenUri: string;
  readonly revokeUri: string | undefined;
  /** Where the browser may be sent back to; empty where the file does not say. */
  readonly redirectUris: readonly string[];
}

/** What a template has where a value belongs. oauth2client's rule is `[[`; the others are of Google's own examples. */
const PLACEHOLDER = /^(?:\[\[|<.*>$|your[-_ ])/i;

const WANTED = "the client secrets of an installed application (client_secrets.json)";

/**
 * Reads `client_secrets.json`: `{"installed": {client_id, auth_uri, token_uri, …}}`, of Google or of any other provider. `client_secret`
 * may be missing, since public clients have none. Rejects with `not_found`, `not_permitted` or `invalid_file`, and says what the file
 * is instead.
 */
export async function readClientSecrets(path: string): Promise<ClientSecrets> {
  const { installed, ...others } = await readJsonFile(path, WANTED);
  if (!isObject(installed)) throw new AuthError("invalid_file", refusal(path, others));
  const file = { fields: installed, path };
  const clientSecret = optionalText(installed, "client_secret");
  const tokenUri = endpoint(file, "token_uri");
  const secrets: ClientSecrets = {
    clientId: requiredText(file, "client_id"),
    clientSecret,
    authUri: endpoint(file, "auth_uri"),
    tokenUri,
    revokeUri: optionalAddress(file, "revoke_uri") ?? revokeAddressOf(tokenUri),
    redirectUris: textList(installed.redirect_uris) ?? [],
  };
  if (PLACEHOLDER.test(secrets.clientId) || PLACEHOLDER.test(clientSecret ?? "")) {
    throw new AuthError(
      "invalid_file",
      `${path}: the fields "client_id" and "client_secret" still hold the placeholders of a template; put in those of your application`,
    );
  }
  return Object.freeze(secrets);
}

function refusal(path: string, fields: FieldsOfFile["fields"]): string {
  // Written by hand, for a provider whose console gives no such file.
  if (typeof fields.auth_uri === "string" && typeof fields.client_id === "string") {
    return `${path}: these are client secrets without the object "installed" around them; put it there: {"installed": {…}}`;
  }
  const advice = isObject(fields.web)
    ? `. A web application's redirect addresses are fixed, so that a command cannot receive its answer: create a client of type "Desktop app" and download its file`
    : "; download it where the application is registered";
  return `${path}: expected ${WANTED}, and this is ${fileKind(fields)}${advice}`;
}

function endpoint(file: FieldsOfFile, name: string): string {
  const address = optionalAddress(file, name) ?? requiredText(file, name);
  if (isConfidential(new URL(address))) return address;
  throw new AuthError(
    "not_permitted",
    `${file.path}: the field "${name}" must be an https URL; over plain http secrets are sent to this machine alone`,
  );
}
