import { AuthError } from "../errors.js";
import { assertIsPath } from "../files/file-path.js";
import { SIGN_IN_TIMEOUT_MS_MAX } from "../limits.js";
import { isScopeList } from "../scopes.js";

/** What can be checked of a sign-in's options before anything is done. */
export interface CheckedOptions {
  readonly clientSecretsFile: unknown;
  readonly credentialsFile: unknown;
  readonly scopes?: unknown;
  readonly port?: unknown;
  readonly timeoutMs?: unknown;
}

/** Throws `invalid_argument` for the first that is wrong. */
export function checkSignInOptions(options: CheckedOptions): void {
  const { scopes, port, timeoutMs } = options;
  for (const name of ["clientSecretsFile", "credentialsFile"] as const) {
    const path = options[name];
    if (typeof path !== "string" || path === "") throw wrong(name, "the path of a file", path);
    assertIsPath(path);
  }
  if (scopes !== undefined && !isScopeList(scopes)) {
    throw wrong("scopes", "one scope or more, each a word without blanks, quotes and backslashes", scopes);
  }
  if (port !== undefined && !isIntegerIn(port, 0, 65_535)) {
    throw wrong("port", "a port, 0 to 65535", port);
  }
  if (timeoutMs !== undefined && !isIntegerIn(timeoutMs, 1, SIGN_IN_TIMEOUT_MS_MAX)) {
    throw wrong("timeoutMs", `whole milliseconds, 1 to ${SIGN_IN_TIMEOUT_MS_MAX}`, timeoutMs);
  }
}

function isIntegerIn(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}

function wrong(name: string, expected: string, got: unknown): AuthError {
  return new AuthError("invalid_argument", `${name} must be ${expected}; got ${shown(got)}`);
}

/** Objects are not shown: one may be a secrets file that was read already. Nor are texts, but for the empty one. */
function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (value === "") return "an empty text";
  return value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
}
