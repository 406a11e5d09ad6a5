import { createHash } from "node:crypto";
import { ExpiringMap } from "@pullqueue/core";
import { VERIFIED_CACHE_MS, VERIFIED_CACHE_TOKENS_MAX } from "../limits.js";
import type { Principal } from "./principal.js";

/**
 * Callers of signed tokens that were verified a moment ago: a signature costs several times what a call costs. Tokens are
 * remembered by their hashes, for `VERIFIED_CACHE_MS` and not past their end.
 */
export class VerifiedTokens {
  #callers = new ExpiringMap<{ readonly principal: Principal; readonly expiresAtUs: number }>(
    VERIFIED_CACHE_TOKENS_MAX,
  );

  /** The caller of a token, or else what `verify` finds, which is kept. A token that was not good is verified each time. */
  async get(
    token: string,
    nowUs: number,
    verify: () => Promise<{ readonly principal: Principal; readonly exp: number | undefined }>,
  ): Promise<Principal> {
    const callers = this.#callers;
    const key = createHash("sha256").update(token).digest("base64");
    const known = callers.get(key, nowUs);
    if (known !== undefined && known.expiresAtUs > nowUs) return known.principal;
    const { principal, exp = 0 } = await verify();
    callers.set(key, { principal, expiresAtUs: exp * 1_000_000 }, nowUs, VERIFIED_CACHE_MS);
    return principal;
  }

  /** Forgets all of them: keys or rights have changed. What is being verified now is not kept either. */
  forget(): void {
    this.#callers = new ExpiringMap(VERIFIED_CACHE_TOKENS_MAX);
  }
}
