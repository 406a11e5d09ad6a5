import { claimsOf } from "./files/id-token-claims.js";
import { isObject, optionalText } from "./files/json-fields.js";
import type { JsonFields, StoredCredentials, UserCredentials } from "./stored-credentials.js";

/** What may be shown of credentials: no token, no key, no client's secret. */
export interface CredentialsSummary {
  /** What they are. */
  readonly kind: StoredCredentials["kind"] | "metadata_server";
  /** Whose they are: an address, where the credentials say. */
  readonly account: string | undefined;
  /** What the token may be used for; undefined where nobody said. */
  readonly scopes: readonly string[] | undefined;
  /** When the token that is held now ends, in milliseconds since the epoch; undefined without one, or when nobody said. */
  readonly expiresAtMs: number | undefined;
  /** Where they come from: a path, and what named it if that was no option. */
  readonly source: string;
  /** Whether a token can be renewed without a person. */
  readonly refreshable: boolean;
  /** Where tokens are had: scheme, host and port. */
  readonly issuer: string | undefined;
  /** Whom the token is for, where an `audience` was asked for. */
  readonly audience: string | undefined;
}

/** What a file says by itself, without asking anybody. `source` says where it lies. */
export function summarize(stored: StoredCredentials, source: string): CredentialsSummary {
  const common = { kind: stored.kind, source, audience: undefined };
  switch (stored.kind) {
    case "user":
      return {
        ...common,
        account: emailOf(stored),
        // oauth2client writes an empty list where nobody said.
        scopes: stored.scopes?.length === 0 ? undefined : stored.scopes,
        expiresAtMs: stored.accessToken === undefined ? undefined : stored.expiresAtMs,
        refreshable: stored.refreshToken !== undefined && !stored.isInvalid,
        issuer: originOf(stored.tokenUri),
      };
    case "service_account":
      return {
        ...common,
        account: stored.clientEmail,
        scopes: undefined,
        expiresAtMs: undefined,
        refreshable: true,
        issuer: originOf(stored.tokenUri),
      };
    case "access_token":
      return {
        ...common,
        account: undefined,
        scopes: undefined,
        expiresAtMs: stored.expiresAtMs,
        refreshable: false,
        issuer: undefined,
      };
    default:
      return {
        ...common,
        account: principalIn(stored.fields),
        scopes: undefined,
        expiresAtMs: undefined,
        refreshable: true,
        issuer:
          originOf(stored.fields.token_url) ?? originOf(stored.fields.service_account_impersonation_url),
      };
  }
}

/** The service account whose tokens are had in the end, by the address of IAM's call for them. */
export function principalIn(fields: JsonFields): string | undefined {
  const url = optionalText(fields, "service_account_impersonation_url") ?? "";
  return /\/serviceAccounts\/([^/:]+):generate(?:AccessToken|IdToken)$/.exec(url)?.[1];
}

/** By the ID token, by its claims as old files keep them, or by the name that Google's libraries give it. */
function emailOf({ idToken, fields }: UserCredentials): string | undefined {
  const claims = idToken === undefined ? fields.id_token : claimsOf(idToken);
  return (isObject(claims) ? optionalText(claims, "email") : undefined) ?? optionalText(fields, "account");
}

function originOf(url: unknown): string | undefined {
  return typeof url === "string" && URL.canParse(url) ? new URL(url).origin : undefined;
}
