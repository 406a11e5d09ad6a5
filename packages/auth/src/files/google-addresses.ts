/** Token endpoints that Google has had over the years. Source: Google's client libraries from 2011 to 2025. */
const GOOGLE_TOKEN_ENDPOINT =
  /^https:\/\/(?:oauth2\.googleapis\.com\/token|accounts\.google\.com\/o\/oauth2\/(?:v2\/)?token|www\.googleapis\.com\/oauth2\/v[34]\/token)$/;

/** Google's files do not say where a sign-in is taken back (oauth2client had it in its source); those of other providers must. */
export function revokeAddressOf(tokenUri: string): string | undefined {
  return GOOGLE_TOKEN_ENDPOINT.test(tokenUri) ? "https://oauth2.googleapis.com/revoke" : undefined;
}
