import { createHash } from "node:crypto";
import { type Clock, newSecret, parseProject, QueueError } from "@pullqueue/core";
import { isEmail } from "../email.js";
import { EMAIL_SHOWN_LENGTH_MAX, OWN_TOKENS_MAX } from "../limits.js";
import { makeOwnFolder } from "../own-folder.js";
import type { Principal } from "./principal.js";
import type { StoredToken } from "./stored-token.js";
import { changeTokenFile, readTokenFile } from "./token-file.js";
import { OWN_TOKEN_PREFIX } from "./token-shape.js";

/** The tokens that a server's operator gives out: made, listed and taken back on the machine where the server runs. */

/** Where they are kept unless somebody says otherwise, relative to where the server was started. */
export const TOKENS_FILE_DEFAULT = ".pullqueue/tokens.json";

/** Digits of the hash by which people call a token: enough that no two of `OWN_TOKENS_MAX` are likely to share them. */
const ID_LENGTH = 12;

/** What a token is to be good for. */
export interface TokenGrant extends Principal {
  /** Microseconds since the epoch; undefined: until it is revoked. */
  readonly expiresAtUs?: number | undefined;
}

/**
 * Makes a token and keeps its hash; it is not to be had again. Errors: `invalid_argument` for a grant or a file that cannot
 * be, `resource_exhausted` past `OWN_TOKENS_MAX`.
 */
export async function createToken(
  path: string,
  grant: TokenGrant,
  clock: Clock,
): Promise<{ readonly token: string; readonly stored: StoredToken }> {
  const token = OWN_TOKEN_PREFIX + newSecret();
  const sha256 = hashOf(token).toString("hex");
  const createdAtUs = clock.nowUs();
  const stored: StoredToken = {
    ...provedGrant(grant, createdAtUs),
    id: sha256.slice(0, ID_LENGTH),
    sha256,
    createdAtUs,
    expiresAtUs: grant.expiresAtUs,
  };
  await makeOwnFolder(path);
  await changeTokenFile(path, clock, (tokens) => {
    const kept = tokens.filter(({ expiresAtUs = Number.POSITIVE_INFINITY }) => expiresAtUs > createdAtUs);
    if (kept.length < OWN_TOKENS_MAX) return { tokens: [...kept, stored], result: undefined };
    throw new QueueError(
      "resource_exhausted",
      `there are ${kept.length} tokens already, and ${OWN_TOKENS_MAX} at most; revoke some`,
    );
  });
  return { token, stored };
}

/** The tokens of a file, oldest first. Error: `invalid_argument` for a file that cannot be read. */
export async function listTokens(path: string): Promise<readonly StoredToken[]> {
  return readTokenFile(path);
}

/** Takes a token back by its id. Resolves with it, or with undefined when there is none of that id. */
export async function revokeToken(path: string, id: string, clock: Clock): Promise<StoredToken | undefined> {
  if (!(await readTokenFile(path)).some((token) => token.id === id)) return undefined;
  return changeTokenFile(path, clock, (tokens) => ({
    tokens: tokens.filter((token) => token.id !== id),
    result: tokens.find((token) => token.id === id),
  }));
}

/** SHA-256 of a token. */
export function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function provedGrant({ email, role, scopes, projects, expiresAtUs }: TokenGrant, nowUs: number): Principal {
  if (!isEmail(email)) {
    const shown = JSON.stringify(email.slice(0, EMAIL_SHOWN_LENGTH_MAX));
    throw new QueueError(
      "invalid_argument",
      `email must be an address such as worker@example.com, got ${shown}`,
    );
  }
  if (role === "monitor" && projects !== "all") {
    throw new QueueError(
      "invalid_argument",
      "the role monitor sees metrics of all projects; give it no project",
    );
  }
  if (expiresAtUs !== undefined && expiresAtUs <= nowUs) {
    throw new QueueError("invalid_argument", "the token would have expired already; give a time to come");
  }
  return { email, role, scopes, projects: projects === "all" ? "all" : projects.map(parseProject) };
}
