/** What credential files hold, told apart by `kind`. Secrets stand in plain fields here: such objects never leave this package. */
export type StoredCredentials = UserCredentials | ServiceAccountKey | GoogleCredentials | BareToken;

/** A person's sign-in: of `pullqueue auth login`, of oauth2client's Storage, or an `authorized_user` of Google's tools. */
export interface UserCredentials {
  readonly kind: "user";
  /** Who wrote the file: it is rewritten in the same form, so that whoever wrote it can still read it. */
  readonly format: "pullqueue" | "oauth2client" | "authorized_user";
  readonly clientId: string;
  /** Public clients have none. */
  readonly clientSecret: string | undefined;
  /** Without one there is no renewal: the access token is good until it ends. */
  readonly refreshToken: string | undefined;
  readonly tokenUri: string;
  readonly revokeUri: string | undefined;
  readonly accessToken: string | undefined;
  /** Milliseconds since the epoch; undefined where the file does not say. */
  readonly expiresAtMs: number | undefined;
  /** Undefined where the file does not say. */
  readonly scopes: readonly string[] | undefined;
  /** As it was issued, signed. */
  readonly idToken: string | undefined;
  /** oauth2client's mark of a refresh token that was refused. */
  readonly isInvalid: boolean;
  /** Every field of the file: what is not ours is kept when it is written anew. */
  readonly fields: JsonFields;
}

/** The key of a service account, as Google's console gives it or oauth2client stored it. */
export interface ServiceAccountKey {
  readonly kind: "service_account";
  readonly clientEmail: string;
  /** PEM. */
  readonly privateKey: string;
  readonly privateKeyId: string | undefined;
  readonly tokenUri: string;
}

/** What google-auth-library alone understands. */
export interface GoogleCredentials {
  readonly kind: "external_account" | "external_account_authorized_user" | "impersonated_service_account";
  readonly fields: JsonFields;
}

/** `{"access_token": "…"}` and nothing that could renew it. */
export interface BareToken {
  readonly kind: "access_token";
  readonly accessToken: string;
  readonly expiresAtMs: number | undefined;
}

/** A JSON object as it was read. */
export type JsonFields = Readonly<Record<string, unknown>>;

/** Where tokens are had when a file does not say: Google's, because only Google's own tools leave it out. */
export const GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token";
