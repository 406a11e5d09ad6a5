import { AuthError } from "../errors.js";
import { optionalText } from "../files/json-fields.js";
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
  const { token_type: type } = fields;
  const accessToken = optionalText(fields, "access_token");
  const { origin } = new URL(tokenUri);
  if (accessToken === undefined) {
    throw new AuthError("unavailable", `${origin} granted no access token; is it the token endpoint?`);
  }
  if (type !== undefined && (typeof type !== "string" || type.toLowerCase() !== "bearer")) {
    throw new AuthError("not_supported", `${origin} granted a token of another type than Bearer`);
  }
  return {
    accessToken,
    lifeMs: lifeMsOf(fields.expires_in) ?? TOKEN_LIFE_MS_DEFAULT,
    refreshToken: optionalText(fields, "refresh_token"),
    idToken: optionalText(fields, "id_token"),
    scopes: optionalText(fields, "scope")?.split(" ").filter(Boolean),
  };
}

/** A refusal as an error, with the words of the server. `mend` says what helps against `invalid_grant`. */
export function refusalError(
  { error, words, isPassing }: Refusal,
  sent: TokenRequest,
  mend: { readonly code: "sign_in_needed" | "refused"; readonly advice: string },
): AuthError {
  const { origin } = new URL(sent.tokenUri);
  if (isPassing) {
    return new AuthError("unavailable", `${origin} cannot give a token just now (${words})`);
  }
  if (error === "invalid_grant") {
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
  const isLength = typeof value === "number" || (typeof value === "string" && value !== "");
  const seconds = isLength ? Number(value) : Number.NaN;
  return seconds >= 0 ? Math.min(seconds * 1000, TOKEN_LIFE_MS_MAX) : undefined;
}
