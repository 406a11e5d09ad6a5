import {
  EXPIRY_MARGIN_MS,
  EXPIRY_MARGIN_SHARE,
  REFRESH_AHEAD_MS,
  REFRESH_AHEAD_SHARE,
  TOKEN_LIFE_MS_DEFAULT,
} from "../limits.js";

/** A token as it is held in memory. */
export interface AccessToken {
  readonly token: string;
  /** By our clock, in milliseconds since the epoch. Undefined: nobody said, and it is good until it is refused. */
  readonly expiresAtMs: number | undefined;
  /** From its issue to its end, in milliseconds. Undefined: nobody said. */
  readonly lifeMs: number | undefined;
}

/** Whether a token is given: `fresh` ones are, `ageing` ones while another is being had, `spent` ones are not. */
export type Freshness = "fresh" | "ageing" | "spent";

/** How good a token is at this time, in milliseconds since the epoch. */
export function freshnessOf({ expiresAtMs, lifeMs }: AccessToken, nowMs: number): Freshness {
  if (expiresAtMs === undefined) return "fresh";
  const life = lifeMs ?? TOKEN_LIFE_MS_DEFAULT;
  const leftMs = expiresAtMs - nowMs;
  if (leftMs <= Math.min(EXPIRY_MARGIN_MS, life * EXPIRY_MARGIN_SHARE)) return "spent";
  return leftMs <= Math.min(REFRESH_AHEAD_MS, life * REFRESH_AHEAD_SHARE) ? "ageing" : "fresh";
}

/** What a renewal is to bring. */
export interface Demand {
  /** Which tokens will do that are there already: somebody else may have renewed them meanwhile. */
  readonly adopt: "usable" | "fresh" | "none";
  /** A token that a server refused; it will not do. */
  readonly rejected: string | undefined;
  /** Fires when nobody wants the outcome any more. What has been sent and changes something is brought to its end all the same. */
  readonly signal: AbortSignal;
}

/** Whether a token that is there satisfies. */
export function isAdoptable(token: AccessToken, { adopt, rejected }: Demand, nowMs: number): boolean {
  if (adopt === "none" || token.token === rejected) return false;
  const freshness = freshnessOf(token, nowMs);
  return freshness === "fresh" || (freshness === "ageing" && adopt === "usable");
}

/** What makes tokens of one kind of credentials. It is asked for one at a time. */
export interface TokenMaker {
  renew(demand: Demand): Promise<AccessToken>;
}
