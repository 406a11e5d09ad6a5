import { withinTime } from "../abortable.js";
import { type Clock, systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { GOOGLE_TIMEOUT_MS, TOKEN_LIFE_MS_DEFAULT } from "../limits.js";
import type { AccessToken, Demand, TokenMaker } from "./access-token.js";
import { translateGoogleError } from "./google-errors.js";
import type { GoogleClient, IdTokenClient } from "./google-library.js";
import { readIdToken } from "./id-token.js";

/** Makes one of google-auth-library's clients; the second kind where an audience is asked for. */
export type ClientMaker = (signal: AbortSignal) => Promise<GoogleClient | IdTokenClient>;

/**
 * More than any token lives, in milliseconds: the library takes each one that it holds for too old, and has a new one with each call. What is
 * held and for how long is our own cache's business.
 */
export const ALWAYS_RENEW_MS = 1e12;

/** How one of its clients is used. */
export interface GoogleSourceOptions {
  readonly makeClient: ClientMaker;
  readonly clock: Clock;
  readonly audience: string | undefined;
  /** What the credentials are, for messages. */
  readonly name: string;
  readonly onWarning: (message: string) => void;
}

/**
 * Tokens that google-auth-library has: of external accounts, impersonated ones and the metadata server. It takes no signal, so an abort and
 * the end of the time leave it behind; what it comes to then is not looked at.
 */
export class GoogleSource implements TokenMaker {
  readonly #options: GoogleSourceOptions;
  /** It may hold a refresh token that has replaced the file's. */
  #client: GoogleClient | IdTokenClient | undefined;
  #isRotationTold = false;

  constructor(options: GoogleSourceOptions) {
    this.#options = options;
  }

  async renew({ signal }: Demand): Promise<AccessToken> {
    const { clock, name, makeClient, audience } = this.#options;
    const late = () => new AuthError("timeout", `${name}: no token within ${GOOGLE_TIMEOUT_MS / 1000} s`);
    return withinTime({ clock, timeoutMs: GOOGLE_TIMEOUT_MS, late, signal }, async () => {
      try {
        this.#client ??= await makeClient(signal);
        const client = this.#client;
        return audience === undefined
          ? await this.#accessToken(client)
          : await this.#idToken(client, audience);
      } catch (error) {
        signal.throwIfAborted();
        throw translateGoogleError(error, name);
      }
    });
  }

  async #accessToken(client: GoogleClient): Promise<AccessToken> {
    const { clock, name } = this.#options;
    const nowMs = clock.nowUs() / 1000;
    const { token, res } = await client.getAccessToken();
    if (typeof token !== "string" || token === "") {
      throw new AuthError("unavailable", `${name}: the token's server gave none`);
    }
    this.#tellOfRotation(res?.data);
    const lifeMs = lifeMsOf(client, res?.data);
    return { token, expiresAtMs: lifeMs === undefined ? undefined : nowMs + lifeMs, lifeMs };
  }

  /** The library keeps a new refresh token in memory, and the file is not ours to write. */
  #tellOfRotation(answer: unknown): void {
    const isRotated = typeof answer === "object" && answer !== null && "refresh_token" in answer;
    if (!isRotated || this.#isRotationTold) return;
    this.#isRotationTold = true;
    this.#options.onWarning(
      `the refresh token of ${this.#options.name} was replaced by its server, and google-auth-library does not save the new one: ` +
        "it lives until this process ends, and after that a new sign-in may be needed",
    );
  }

  async #idToken(client: GoogleClient | IdTokenClient, audience: string): Promise<AccessToken> {
    const { clock, name } = this.#options;
    const nowMs = clock.nowUs() / 1000;
    const idToken = readIdToken("fetchIdToken" in client ? await client.fetchIdToken(audience) : undefined);
    if (idToken === undefined) {
      throw new AuthError("unavailable", `${name}: the token's server gave no ID token`);
    }
    // The issuer's clock says when it ends; ours may differ.
    const lifeMs = idToken.lifeMs ?? TOKEN_LIFE_MS_DEFAULT;
    return { token: idToken.token, expiresAtMs: nowMs + lifeMs, lifeMs };
  }
}

/** The library says when a token ends by the system's clock, and for some kinds only the server's answer says it. */
function lifeMsOf(client: GoogleClient, answer: unknown): number | undefined {
  const { expiry_date: endMs } = client.credentials;
  if (typeof endMs === "number" && endMs > 1) return Math.max(0, endMs - systemClock.nowUs() / 1000);
  const seconds =
    typeof answer === "object" && answer !== null && "expires_in" in answer ? Number(answer.expires_in) : 0;
  return seconds > 0 ? seconds * 1000 : undefined;
}
