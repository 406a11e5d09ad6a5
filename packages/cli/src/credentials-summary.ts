import type { CredentialsSummary } from "@pullqueue/auth";
import { scopeText } from "./scopes.js";
import { printable } from "./table.js";
import { durationText, isoTime } from "./time.js";

/** Credentials as they are shown: for people, and for programs. Nothing here is secret. */

/** What is known; of a bare token that is little. */
export type TokenSummary = Pick<CredentialsSummary, "kind" | "source" | "refreshable"> &
  Partial<CredentialsSummary> & {
    /** The option or variable that named them. */
    readonly namedBy?: string | undefined;
  };

const KINDS: Readonly<Record<CredentialsSummary["kind"], string>> = {
  user: "a person's sign-in",
  service_account: "the key of a service account",
  external_account: "an external account",
  external_account_authorized_user: "a person's sign-in with an external account",
  impersonated_service_account: "an impersonated service account",
  access_token: "an access token",
  metadata_server: "the service account of this machine",
};

/** As a JSON value: names and times as elsewhere in the command's JSON; what is not known is left out. */
export function summaryJson(summary: TokenSummary): object {
  const { kind, account, scopes, expiresAtMs, refreshable, issuer, audience, source, namedBy } = summary;
  return {
    ...{ kind, account, scopes },
    expiresAt: expiresAtMs === undefined ? undefined : isoTime(expiresAtMs * 1000),
    ...{ refreshable, issuer, audience, source, namedBy },
  };
}

/** As lines of text. */
export function summaryLines(summary: TokenSummary, nowMs: number): readonly string[] {
  const { kind, account, scopes, issuer, audience, source, namedBy } = summary;
  const origin = namedBy === undefined || namedBy === source ? "" : ` (${namedBy})`;
  const rows: readonly (readonly [label: string, text: string | undefined])[] = [
    ["account", account ?? "not known"],
    ["kind", KINDS[kind]],
    ["scopes", scopes?.map(scopeText).join(", ")],
    ["token", tokenText(summary, nowMs)],
    ["audience", audience],
    ["issuer", issuer],
    ["from", `${source}${origin}`],
  ];
  return rows.flatMap(([label, text]) =>
    text === undefined ? [] : [`${label.padEnd("audience".length)}  ${printable(text)}`],
  );
}

/** How long the token holds, and what comes then. */
export function tokenText({ expiresAtMs, refreshable }: TokenSummary, nowMs: number): string {
  const after = refreshable ? "renewed when needed" : "nothing renews it";
  if (expiresAtMs === undefined) return refreshable ? "made when needed" : `its end is not known, ${after}`;
  const time = isoTime(expiresAtMs * 1000);
  if (expiresAtMs <= nowMs) return `ended at ${time}, ${after}`;
  return `ends in ${durationText(expiresAtMs - nowMs)} (${time}), ${after}`;
}
