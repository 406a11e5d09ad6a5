import type { QueueError } from "@pullqueue/core";
import { FULL_SCOPE } from "./scopes.js";

/** The header `WWW-Authenticate` of a refusal (RFC 6750, section 3), or no header for failures of another kind. */
export function challengeOf(error: QueueError): Readonly<Record<string, string>> {
  const details = detailsOf(error);
  return details === undefined ? {} : { "www-authenticate": `Bearer realm="pullqueue"${details}` };
}

function detailsOf({ code, reason, location, message }: QueueError): string | undefined {
  // "If the request lacks any authentication information, the server SHOULD NOT include an error code."
  if (code === "unauthenticated" && reason === "required") return "";
  if (code === "unauthenticated")
    return `, error="invalid_token", error_description="${describable(message)}"`;
  if (code === "permission_denied") {
    return reason === "insufficientPermissions" ? `, error="insufficient_scope", scope="${FULL_SCOPE}"` : "";
  }
  return location === "Authorization" ? ', error="invalid_request"' : undefined;
}

/** The characters that RFC 6750 allows in a description: no quotes, no backslash, ASCII only. */
function describable(message: string): string {
  return message.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "?");
}
