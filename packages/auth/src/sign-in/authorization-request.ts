import { createHash } from "node:crypto";

/** What is asked of an authorization endpoint (RFC 6749, 4.1.1; RFC 7636). */
export interface AuthorizationRequest {
  readonly authUri: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  /** Comes back with the answer, so that nobody else's answer is taken for it. */
  readonly state: string;
  /** Stays here until the code is exchanged, so that nobody else can exchange it. */
  readonly codeVerifier: string;
}

/**
 * What a refresh token costs. Google grants one for `access_type=offline`, and a second one to the same person only with `prompt=consent`,
 * which OpenID Connect demands for `offline_access` too; other providers ignore what they do not know (RFC 6749, 3.1). An address that
 * has its own values for them keeps these.
 */
const FOR_A_REFRESH_TOKEN = { access_type: "offline", prompt: "consent" };

/** The address that a person opens in a browser. The query that the endpoint's own address has is kept. */
export function authorizationAddress(request: AuthorizationRequest): string {
  const url = new URL(request.authUri);
  url.hash = "";
  const ours = {
    response_type: "code",
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: request.scopes.join(" "),
    state: request.state,
    code_challenge: createHash("sha256").update(request.codeVerifier).digest("base64url"),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(ours)) url.searchParams.set(name, value);
  for (const [name, value] of Object.entries(FOR_A_REFRESH_TOKEN)) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return url.href;
}
