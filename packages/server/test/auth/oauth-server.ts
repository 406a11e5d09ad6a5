import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { onTestFinished } from "vitest";

/** A real authorization server on loopback, gone at the test's end. `server` is who may ask it about tokens. */
export async function startOauthServer(scope: string) {
  const provider = await startOAuthProvider({ claims: { role: "admin", projects: ["p"] } });
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return {
    introspectionUrl: provider.introspectionUrl,
    clientOf: (id: "server") => ({ id, secret: provider.secretOf(id) ?? "" }),
    token: async () => {
      const { json } = await provider.askForTokens({ grant_type: "client_credentials", scope }, "worker");
      return String(json.access_token);
    },
    revoke: (token: string) => provider.revoke(token, "worker"),
  };
}
