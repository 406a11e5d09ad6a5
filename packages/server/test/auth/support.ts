import { DEFAULT_QUEUE_SETTINGS, type JsonObject, QueueError } from "@pullqueue/core";
import type { Authentication, TokenVerifier } from "../../src/auth/authenticate.js";
import type { Principal } from "../../src/auth/principal.js";
import { CONSUMER_SCOPE, FULL_SCOPE } from "../../src/auth/scopes.js";
import type { HandlerOptions } from "../../src/handler.js";
import { openApi } from "../support.js";

/** A caller that may do everything, unless said otherwise. */
export function principal(differing: Partial<Principal> = {}): Principal {
  return { email: "a@example.com", scopes: [FULL_SCOPE], role: "admin", projects: "all", ...differing };
}

/** The two scopes by their short names. */
export const SCOPES = { full: FULL_SCOPE, consumer: CONSUMER_SCOPE };

/** A way of authentication in which a token says by itself who its caller is: for tests of what comes after. */
function tokensThatSay(): Authentication & { tokenFor(caller: Principal): string } {
  const verifier: TokenVerifier = {
    name: "tokens that say who calls",
    accepts: ({ kind }) => kind === "opaque",
    async verify(token) {
      try {
        return JSON.parse(Buffer.from(token, "base64url").toString()) as Principal;
      } catch {
        throw new QueueError("unauthenticated", "Invalid Credentials: not one of ours", {
          location: "Authorization",
        });
      }
    },
  };
  return {
    verifiers: [verifier],
    tokensInQuery: true,
    tokenFor: (caller) => Buffer.from(JSON.stringify(caller)).toString("base64url"),
  };
}

/** A handler that asks who is calling, over a store whose queue `q` names user@example.com and writer@example.com. */
export async function openGuardedApi(options: Partial<HandlerOptions> = {}) {
  const authentication = tokensThatSay();
  const api = openApi({ authentication, ...options });
  await api.store.putQueue(
    { project: "p", queue: "q" },
    {
      ...DEFAULT_QUEUE_SETTINGS,
      acl: { userEmails: ["user@example.com"], writerEmails: ["writer@example.com"] },
    },
  );
  const callAs = (caller: Principal, method: string, path: string, body?: JsonObject) =>
    api.call(method, path, body, { headers: { authorization: `Bearer ${authentication.tokenFor(caller)}` } });
  return { ...api, authentication, callAs };
}
