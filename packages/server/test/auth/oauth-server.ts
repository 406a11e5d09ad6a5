import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import { onTestFinished } from "vitest";

/** A real authorization server on loopback, gone at the test's end. `server` is who may ask it about tokens. */
export async function startOauthServer(scope: string) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = (client_id: string) => ({
    client_id,
    client_secret: `${client_id}: a+b%c`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  const provider = new Provider(issuer, {
    clients: [client("worker"), client("server")],
    scopes: [scope],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_context: unknown, { clientId }: { readonly clientId: string }) =>
          clientId === "server",
      },
      revocation: { enabled: true },
    },
    extraTokenClaims: () => ({ email: "worker@example.com", role: "admin", projects: ["p"] }),
  });
  server.on("request", provider.callback());
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const post = async (path: string, form: Record<string, string>) => {
    const pair = `worker:${encodeURIComponent("worker: a+b%c")}`;
    const headers = { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
    return fetch(issuer + path, { method: "POST", headers, body: new URLSearchParams(form) });
  };
  return {
    introspectionUrl: `${issuer}/token/introspection`,
    clientOf: (id: string) => ({ id, secret: `${id}: a+b%c` }),
    token: async () => {
      const answer = await post("/token", { grant_type: "client_credentials", scope });
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    revoke: async (token: string) => void (await post("/token/revocation", { token })),
  };
}
