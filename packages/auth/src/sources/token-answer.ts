import { AuthError } from "../errors.js";
import { TOKEN_LIFE_MS_DEFAULT, TOKEN_LIFE_MS_MAX } from "../limits.js";
import { type Refusal, refusalOf, type TokenAnswer, type TokenRequest } from "../token-endpoint.js";

/** What an authorization server granted. */
export interface Grant {
  readonly accessToken: string;
  readonly lifeMs: number;
  /** Where the old one is not good any more. */
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** Undefined: as before, or as asked for. */
  readonly scopes: readonly string[] | undefined;
}

/** Reads a granting answer. Throws `unavailable` for one that grants nothing usable: then no token endpoint answers there. */
export function grantOf({ fields }: TokenAnswer, tokenUri: string): Grant {
  const { access_token: accessToken, token_type: type } = fields;
  const { origin } = new URL(tokenUri);
  if (typeof accessToken !== "string" || accessToken === "") {
    throw new AuthError("unavailable", `${origin} granted no access token; is it the token endpoint?`);
  }
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw new AuthError("not_supported", `${origin} granted a token of another type than Bearer`);
  }
  return {
    accessToken,
    lifeMs: lifeMsOf(fields.expires_in) ?? TOKEN_LIFE_MS_DEFAULT,
    refreshToken: text(fields.refresh_token),
    idToken: text(fields.id_token),
    scopes: text(fields.scope)?.split(" ").filter(Boolean),
  };
}

/** A refusal as an error, with the words of the server. `mend` says what helps against `invalid_grant`. */
export function refusalError(
  refusal: Refusal,
  answer: TokenAnswer,
  sent: TokenRequest,
  mend: { readonly code: "sign_in_needed" | "refused"; readonly advice: string },
): AuthError {
  const { origin } = new URL(sent.tokenUri);
  const words = [refusal.error, refusal.description].filter(Boolean).join(": ");
  if (isPassing(refusal, answer)) {
    return new AuthError("unavailable", `${origin} cannot give a token just now (${words})`);
  }
  if (refusal.error === "invalid_grant") {
    return new AuthError(mend.code, `${origin} refused (${words}). ${mend.advice}`);
  }
  return new AuthError("refused", `${origin} refused to give a token (${words})`);
}

/** What asks for a grant and reads it. The request's refusal, if it is one, comes beside. */
export function readAnswer(
  answer: TokenAnswer,
  sent: TokenRequest,
): { readonly grant: Grant } | { readonly refusal: Refusal } {
  const refusal = refusalOf(answer, sent);
  return refusal === undefined ? { grant: grantOf(answer, sent.tokenUri) } : { refusal };
}

/** Seconds, which some servers send as a text; undefined for what is no length of time. */
function lifeMsOf(value: unknown): number | undefined {
  const seconds = typeof value === "number" || text(value) !== undefined ? Number(value) : Number.NaN;
  return seconds >= 0 ? Math.min(seconds * 1000, TOKEN_LIFE_MS_MAX) : undefined;
}

function isPassing({ error }: Refusal, { status }: TokenAnswer): boolean {
  return (
    status >= 500 ||
    status === 429 ||
    /^(?:temporarily_unavailable|server_error|internal_failure)$/.test(error)
  );
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
