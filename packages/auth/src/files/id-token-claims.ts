import type { JsonFields } from "../stored-credentials.js";
import { isObject } from "./json-fields.js";

/** What an ID token says, unproved: good for showing whose credentials these are, never for letting somebody in. */
export function claimsOf(idToken: string): JsonFields | undefined {
  const [, payload, , ...rest] = idToken.split(".");
  if (payload === undefined || rest.length > 0) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    return isObject(claims) ? claims : undefined;
  } catch {
    // Not a JWT; whoever issued it has another form.
    return undefined;
  }
}
