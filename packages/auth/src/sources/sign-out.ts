import { type Clock, systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { readCredentials } from "../files/credentials-file.js";
import { withFileLock } from "../files/file-lock.js";
import { assertIsPath } from "../files/file-path.js";
import { assertRemovable, removePrivateFile } from "../files/private-file.js";
import type { UserCredentials } from "../stored-credentials.js";
import { postForm, refusalOf, type TokenRequest } from "../token-endpoint.js";

/** Which sign-in is ended. */
export interface SignOutOptions {
  readonly credentialsFile: string;
  /** Deletes the file even where its server cannot be reached, or does not revoke the token. Default false. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/**
 * Revokes a person's sign-in (RFC 7009) and deletes its file; `revoked` is false where its server has no way to revoke, or with `force`
 * where that failed. While it fails otherwise the file stays, since it is all that the sign-in can be revoked by: `unavailable`, `timeout`,
 * `refused`. Nothing is revoked whose file may not be deleted: `not_permitted`. A file of another kind is `not_supported`: a service
 * account's key cannot be had again.
 */
export async function signOut(options: SignOutOptions): Promise<{ readonly revoked: boolean }> {
  const { credentialsFile: path, force = false, signal, clock = systemClock } = options;
  // Before a lock is named after it.
  assertIsPath(path);
  return withFileLock(path, { clock, signal }, async () => {
    const stored = await readCredentials(path);
    if (stored.kind !== "user") {
      throw new AuthError(
        "not_supported",
        `${JSON.stringify(path)} holds no sign-in of a person but credentials of the kind ${stored.kind}, which are not revoked by ` +
          "signing out: delete the file yourself if you mean it",
      );
    }
    await assertRemovable(path);
    const revoked = await revoke(stored, clock, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (force) return false;
      throw error;
    });
    await removePrivateFile(path);
    return { revoked };
  });
}

async function revoke(
  user: UserCredentials,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { revokeUri, clientId, clientSecret, refreshToken, accessToken } = user;
  const token = refreshToken ?? accessToken;
  if (revokeUri === undefined || token === undefined) return false;
  const hint = refreshToken === undefined ? "access_token" : "refresh_token";
  const sent: TokenRequest = {
    tokenUri: revokeUri,
    form: { token, token_type_hint: hint },
    client: { clientId, clientSecret },
    answer: "status",
    clock,
    signal,
  };
  const refusal = refusalOf(await postForm(sent), sent);
  // By the standard that is no error, but Google says so of a token that has ended already.
  if (refusal === undefined || refusal.error === "invalid_token") return true;
  throw new AuthError(
    refusal.isPassing ? "unavailable" : "refused",
    `${new URL(revokeUri).origin} did not revoke the sign-in (${refusal.words}), and its file was kept`,
  );
}
