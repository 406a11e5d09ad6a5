import { AuthError } from "../errors.js";
import { isObject } from "../files/json-fields.js";
import { oneHarmlessLine } from "../one-line.js";

/** An error of google-auth-library, as far as it is looked at: its own fields hold the request, with all that is secret in it. */
interface GoogleError {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly response?: { readonly status?: unknown; readonly data?: unknown };
}

/** What the system says of a network that does not work. */
const NETWORK =
  /^(?:ECONN\w+|ENOTFOUND|EAI_\w+|ETIMEDOUT|EHOST\w+|ENET\w+|EPIPE|CERT_\w+|ERR_TLS\w*|\w*SELF_SIGNED\w*|UNABLE_TO_\w+)$/;

/**
 * An error of google-auth-library as ours, without cause: it holds the request. `name` says which credentials failed. What it quotes of the
 * answer is short and has no word in it that could be a token.
 */
export function translateGoogleError(error: unknown, name: string): AuthError {
  if (error instanceof AuthError) return error;
  const { message, code, response }: GoogleError = typeof error === "object" && error !== null ? error : {};
  if (typeof response?.status === "number") return refusal(response.status, response.data, name);
  const system = typeof code === "string" ? code : "";
  if (system === "ENOENT" || system === "EACCES" || system === "EISDIR") {
    return new AuthError("invalid_file", `${name} names a file that cannot be read (${system})`);
  }
  if (NETWORK.test(system)) {
    return new AuthError("unavailable", `${name}: the token's server cannot be reached (${system})`);
  }
  // The words of JSON.parse quote what it read.
  const words = error instanceof SyntaxError ? "a text is not JSON" : harmless(message);
  return new AuthError("invalid_file", `${name} cannot be used by google-auth-library: ${words}`);
}

function refusal(status: number, data: unknown, name: string): AuthError {
  const words = wordsOf(data);
  const said = `status ${status}${words === "" ? "" : `, ${words}`}`;
  if (status >= 500 || status === 429) {
    return new AuthError("unavailable", `${name}: the token's server cannot give one just now (${said})`);
  }
  if (/^invalid_grant\b/.test(words)) {
    return new AuthError(
      "sign_in_needed",
      `${name} is not good any more (${said}): sign in again with the program that wrote it`,
    );
  }
  return new AuthError("refused", `${name}: the token's server refused (${said})`);
}

/** OAuth's `{error, error_description}`, or Google's `{error: {status, message}}`. */
function wordsOf(data: unknown): string {
  if (!isObject(data)) return "";
  const { error, error_description: description } = data;
  const parts = isObject(error) ? [error.status, error.message] : [error, description];
  return parts
    .filter((part) => typeof part === "string")
    .map(harmless)
    .join(": ");
}

function harmless(text: unknown): string {
  return oneHarmlessLine(String(text ?? ""));
}
