import type { Clock } from "../clock.js";
import { AuthError, isAuthError } from "../errors.js";
import { readCredentials } from "../files/credentials-file.js";
import { withFileLock } from "../files/file-lock.js";
import { writePrivateFile } from "../files/private-file.js";
import { encodeUser } from "../files/user-credentials.js";
import type { UserCredentials } from "../stored-credentials.js";

/** Where a person's sign-in is kept between two renewals. */
export interface UserStore {
  read(): Promise<UserCredentials>;
  /** Runs `work` while nobody else renews the same sign-in. */
  alone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Keeps what became of `before`. Never rejects: the new token is good whether it can be kept or not. */
  save(after: UserCredentials, before: UserCredentials): Promise<void>;
}

/**
 * A sign-in in a file that other processes may use at the same time, ours and Python's. Files that hold an access token get each new one;
 * others (gcloud's) are written only when the refresh token has been replaced. What cannot be saved lives on in memory until the file changes.
 */
export class UserFile implements UserStore {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onWarning: (message: string) => void;
  /** What could not be saved, and the refresh token that the file has instead. */
  #unsaved: { readonly user: UserCredentials; readonly replaced: string | undefined } | undefined;

  constructor(options: {
    readonly path: string;
    readonly clock: Clock;
    readonly onWarning: (message: string) => void;
  }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#onWarning = options.onWarning;
  }

  async read(): Promise<UserCredentials> {
    const stored = await this.#readFile();
    if (this.#unsaved === undefined) return stored;
    if (this.#unsaved.replaced === stored.refreshToken) return this.#unsaved.user;
    this.#unsaved = undefined; // Somebody has signed in anew.
    return stored;
  }

  alone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return withFileLock(this.#path, { clock: this.#clock, signal }, work);
  }

  async save(after: UserCredentials, before: UserCredentials): Promise<void> {
    const isRotated = after.refreshToken !== before.refreshToken;
    const inFile = this.#unsaved?.replaced ?? before.refreshToken;
    const holdsTokens = before.format !== "authorized_user" || before.accessToken !== undefined;
    if (!holdsTokens && !isRotated && this.#unsaved === undefined) return;
    try {
      // Whoever signed in or signed out meanwhile did not mean to be overwritten, and whoever knows no lock may have renewed it.
      if ((await this.#readFile()).refreshToken !== inFile) return;
      await writePrivateFile(this.#path, encodeUser(after));
      this.#unsaved = undefined;
    } catch (error) {
      if (isAuthError(error, "not_found")) return;
      const isLost = isRotated && this.#unsaved === undefined;
      if (isRotated || this.#unsaved !== undefined) this.#unsaved = { user: after, replaced: inFile };
      if (!isLost) return;
      const why = error instanceof Error ? error.message : "unknown error";
      this.#onWarning(
        `the refresh token of ${JSON.stringify(this.#path)} was replaced by its server, and the new one cannot be saved (${why}): ` +
          "it lives until this process ends, and after that a new sign-in is needed",
      );
    }
  }

  async #readFile(): Promise<UserCredentials> {
    const stored = await readCredentials(this.#path);
    if (stored.kind === "user") return stored;
    throw new AuthError(
      "invalid_file",
      `${JSON.stringify(this.#path)} was replaced by one of another kind while it was in use; try again`,
    );
  }
}

/** A sign-in that is part of something else and is kept in memory only. */
export class UserInMemory implements UserStore {
  #user: UserCredentials;

  constructor(user: UserCredentials) {
    this.#user = user;
  }

  read(): Promise<UserCredentials> {
    return Promise.resolve(this.#user);
  }

  alone<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return work();
  }

  save(after: UserCredentials): Promise<void> {
    this.#user = after;
    return Promise.resolve();
  }
}
