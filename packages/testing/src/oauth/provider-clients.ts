/** The clients that our authorization server knows. */

/**
 * `desktop` is what Google calls a desktop client: its secret is no secret, and travels in the body. `desktop-basic` sends it in the header
 * alone, `desktop-public` has none. `server` may ask about tokens, `worker` is a program that signs in as itself.
 */
export type OAuthClientName = "desktop" | "desktop-basic" | "desktop-public" | "server" | "worker";

/** The secret of a client, with characters that some encode and some do not; undefined for the public one. */
export function secretOf(client: OAuthClientName): string | undefined {
  return client === "desktop-public" ? undefined : `${client}: a+b%c`;
}

/** What the provider is told of them. Loopback addresses of native clients count with any port (RFC 8252, section 7.3). */
export function clientsOf(redirectUris: readonly string[]): readonly object[] {
  const native = (client_id: OAuthClientName, token_endpoint_auth_method: string) => ({
    client_id,
    client_secret: secretOf(client_id),
    application_type: "native",
    token_endpoint_auth_method,
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [...redirectUris],
  });
  const machine = (client_id: OAuthClientName) => ({
    client_id,
    client_secret: secretOf(client_id),
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  return [
    native("desktop", "client_secret_post"),
    native("desktop-basic", "client_secret_basic"),
    native("desktop-public", "none"),
    machine("server"),
    machine("worker"),
  ];
}
