import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import type { BareToken } from "../stored-credentials.js";
import { type AccessToken, type Demand, isAdoptable, type TokenMaker } from "./access-token.js";

/** A token that nothing can renew: whoever wrote the file has to write it again, which is noticed. */
export class BareTokenSource implements TokenMaker {
  readonly #stored: BareToken;
  readonly #clock: Clock;
  readonly #name: string;

  constructor(stored: BareToken, clock: Clock, name: string) {
    this.#stored = stored;
    this.#clock = clock;
    this.#name = name;
  }

  async renew(demand: Demand): Promise<AccessToken> {
    const { accessToken, expiresAtMs } = this.#stored;
    const token = { token: accessToken, expiresAtMs, lifeMs: undefined };
    if (isAdoptable(token, demand, this.#clock.nowUs() / 1000)) return token;
    throw new AuthError(
      "sign_in_needed",
      `${this.#name} holds an access token and nothing to renew it by: ` +
        "put a new one there, or make a file that can be renewed with pullqueue auth login",
    );
  }
}
