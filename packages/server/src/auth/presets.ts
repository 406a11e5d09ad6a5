/** What is known of Google, so that nobody has to configure it. */

/** Both forms that Google's ID tokens have as their issuer. (Google Identity, "Verify the Google ID token on your server side".) */
export const GOOGLE_ISSUERS = ["https://accounts.google.com", "accounts.google.com"] as const;

/** Google's keys for ID tokens, of its discovery document https://accounts.google.com/.well-known/openid-configuration. */
export const GOOGLE_KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs";

/** Google signs ID tokens by this alone. */
export const GOOGLE_ALGORITHMS = ["RS256"] as const;

/** Where Google says whose an access token is. */
export const GOOGLE_TOKENINFO_URL = "https://oauth2.googleapis.com/tokeninfo";
