import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Provider } from "oidc-provider";
import { GrantMemory } from "./oauth/grant-memory.js";
import { answerInteraction, INTERACTION_PATH } from "./oauth/interaction-pages.js";
import { loadProvider } from "./oauth/load-provider.js";
import { type OAuthClientName, secretOf } from "./oauth/provider-clients.js";
import { type OAuthProviderOptions, providerSettings } from "./oauth/provider-settings.js";
import { type PersonOptions, signInByHttp } from "./oauth/sign-in-by-http.js";
import { type HeldAnswers, type TokenRequestRecord, TokenWatch } from "./oauth/token-watch.js";

export type { HeldAnswers, OAuthClientName, OAuthProviderOptions, PersonOptions, TokenRequestRecord };
export { signInByHttp };

/** What the token endpoint gave. */
export interface GrantedTokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
  readonly expires_in: number;
  readonly scope: string;
}

/** A real authorization server (oidc-provider) on loopback. */
export interface OAuthProvider extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly revocationUrl: string;
  readonly introspectionUrl: string;
  readonly jwksUrl: string;
  /** What the token endpoint has answered, oldest first. */
  readonly tokenRequests: readonly TokenRequestRecord[];
  secretOf(client: OAuthClientName): string | undefined;
  /** The client as Google's console gives it: `{"installed": {…}}`. */
  clientSecrets(client?: OAuthClientName): { readonly installed: Readonly<Record<string, unknown>> };
  /** Writes that to a file, and returns the path. */
  writeClientSecrets(path: string, client?: OAuthClientName): string;
  /** A whole sign-in without any code of ours. The scope is `openid email` and the task queue's unless given. */
  signIn(
    options?: PersonOptions & { readonly client?: OAuthClientName; readonly scope?: string },
  ): Promise<GrantedTokens>;
  /** Asks the token endpoint as a client that sends its secret as it should. */
  askForTokens(
    form: Readonly<Record<string, string>>,
    client?: OAuthClientName,
  ): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> }>;
  /** What the introspection endpoint says. */
  introspect(token: string): Promise<Readonly<Record<string, unknown>>>;
  /** Tells the revocation endpoint that nobody may use a token any more. */
  revoke(token: string, client?: OAuthClientName): Promise<void>;
  /** Ends what came of all sign-ins, as a person may at Google: refresh tokens are answered with `invalid_grant` from now on. */
  forgetAll(): void;
  /** Keeps answers of the token endpoint back until they are released. */
  holdTokenAnswers(): HeldAnswers;
  /** Closes the port and all connections; what was granted is kept for `start()`. */
  stop(): Promise<void>;
  /** Listens on the same port again. */
  start(): Promise<void>;
}

const SCOPE = "openid email https://www.googleapis.com/auth/taskqueue";

/** Starts one on a free port. `await using` closes it. */
export async function startOAuthProvider(options: OAuthProviderOptions = {}): Promise<OAuthProvider> {
  const memory = new GrantMemory();
  const watch = new TokenWatch();
  let answer: RequestListener = () => {};
  const server = createServer((request, response) => answer(request, response));
  const port = await listen(server, 0);
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new (await loadProvider())(issuer, providerSettings(options, memory));
  provider.use(async (context, next) => {
    await next();
    if (context.path === "/token") await watch.answered(context);
  });
  answer = listenerOf(provider);
  const askForTokens: OAuthProvider["askForTokens"] = (form, client = "desktop") =>
    postAs(client, `${issuer}/token`, form);
  const clientSecrets: OAuthProvider["clientSecrets"] = (client = "desktop") =>
    clientSecretsOf(issuer, client);
  const stop = async () => {
    if (server.listening) await close(server);
  };
  return {
    issuer,
    authorizationUrl: `${issuer}/auth`,
    tokenUrl: `${issuer}/token`,
    revocationUrl: `${issuer}/token/revocation`,
    introspectionUrl: `${issuer}/token/introspection`,
    jwksUrl: `${issuer}/jwks`,
    tokenRequests: watch.records,
    secretOf,
    clientSecrets,
    writeClientSecrets: (path, client) => {
      writeFileSync(path, JSON.stringify(clientSecrets(client)));
      return path;
    },
    askForTokens,
    signIn: async (person = {}) => await signIn(`${issuer}/auth`, person, askForTokens),
    introspect: async (token) => (await postAs("server", `${issuer}/token/introspection`, { token })).json,
    revoke: async (token, client = "desktop") =>
      void (await postAs(client, `${issuer}/token/revocation`, { token })),
    forgetAll: () => memory.clear(),
    holdTokenAnswers: () => watch.hold(),
    stop,
    start: async () => void (await listen(server, port)),
    [Symbol.asyncDispose]: stop,
  };
}

function listenerOf(provider: Provider): RequestListener {
  const callback = provider.callback();
  return (request, response) => {
    if (!request.url?.startsWith(INTERACTION_PATH)) return callback(request, response);
    // A page of a sign-in that is over, or of nobody's.
    answerInteraction(provider, request, response).catch((error) => response.writeHead(400).end(`${error}`));
  };
}

function clientSecretsOf(issuer: string, client: OAuthClientName) {
  const secret = secretOf(client);
  return {
    installed: {
      client_id: client,
      project_id: "my-app",
      auth_uri: `${issuer}/auth`,
      token_uri: `${issuer}/token`,
      auth_provider_x509_cert_url: `${issuer}/jwks`,
      ...(secret === undefined ? {} : { client_secret: secret }),
      redirect_uris: ["http://localhost"],
    },
  };
}

async function signIn(
  authorizationUrl: string,
  person: PersonOptions & { readonly client?: OAuthClientName; readonly scope?: string },
  askForTokens: OAuthProvider["askForTokens"],
): Promise<GrantedTokens> {
  const { client = "desktop", scope = SCOPE } = person;
  const redirectUri = "http://127.0.0.1:1";
  const verifier = "a-verifier-of-at-least-forty-three-characters";
  const address = new URL(authorizationUrl);
  address.search = new URLSearchParams({
    ...{ client_id: client, scope, redirect_uri: redirectUri, response_type: "code", state: "state" },
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }).toString();
  const back = await signInByHttp(address.href, person);
  const code = back.searchParams.get("code");
  if (code === null) throw new Error(`no code came back: ${back.search}`);
  const grant = {
    grant_type: "authorization_code",
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  };
  const { status, json } = await askForTokens(grant, client);
  if (status !== 200) throw new Error(`no tokens: ${JSON.stringify(json)}`);
  return json as unknown as GrantedTokens;
}

async function postAs(client: OAuthClientName, url: string, form: Readonly<Record<string, string>>) {
  const secret = secretOf(client);
  const inBody = client === "desktop" || client === "desktop-public";
  const pair = `${encodeURIComponent(client)}:${encodeURIComponent(secret ?? "")}`;
  const credentials = { client_id: client, ...(secret === undefined ? {} : { client_secret: secret }) };
  const answer = await fetch(url, {
    method: "POST",
    headers: inBody ? {} : { authorization: `Basic ${Buffer.from(pair).toString("base64")}` },
    body: new URLSearchParams({ ...form, ...(inBody ? credentials : {}) }),
  });
  const text = await answer.text();
  const json: Readonly<Record<string, unknown>> = text === "" ? {} : JSON.parse(text);
  return { status: answer.status, json };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.removeListener("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeAllConnections();
  });
}
