import type { TokenQuery, TokenSource } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import type { AppEngineSettings, TransportSettings } from "./options.js";

/** How access tokens that only the event loop can make come to the thread that renews leases: each is handed over when it is used. */

/** The same settings, whose tokens are told to somebody as they are given. */
export function watchTokens(settings: AppEngineSettings, tell: (token: string) => void): AppEngineSettings {
  const { accessToken, tokenSource } = settings;
  const give =
    typeof accessToken === "function" ? accessToken : tokenSource?.getAccessToken.bind(tokenSource);
  if (give === undefined) return settings;
  const watched: TokenSource = {
    async getAccessToken(query) {
      const token = await give(query);
      if (typeof token === "string" && token !== "") tell(token);
      return token;
    },
  };
  return { ...settings, accessToken: undefined, tokenSource: watched };
}

/** The last token that was told. */
export class ToldTokens implements TokenSource {
  #token: string | undefined;

  tell(token: string): void {
    this.#token = token;
  }

  async getAccessToken({ rejected }: TokenQuery): Promise<string> {
    if (this.#token !== undefined && this.#token !== rejected) return this.#token;
    throw new KombuError(
      "unauthenticated",
      "the last access token is not taken any more, and no other was told; let the event loop run, or give tokens that last longer",
    );
  }

  /** Settings that get their tokens here. */
  into(target: TransportSettings): TransportSettings {
    if (target.transport !== "appengine") return target;
    return { transport: "appengine", settings: { ...target.settings, tokenSource: this } };
  }
}
