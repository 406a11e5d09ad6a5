import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OAuthProviderOptions, signInByHttp, startOAuthProvider } from "../src/oauth-provider.js";
import { temporaryFolder } from "../src/temp.js";

/** What other tests trust this server to do: if it were lenient, they would prove nothing. */

const SCOPE = "https://www.googleapis.com/auth/taskqueue";

const { warn, info } = console;
const said: unknown[] = [];

beforeAll(() => {
  console.warn = (...words) => said.push(words);
  console.info = (...words) => said.push(words);
});

afterAll(() => void Object.assign(console, { warn, info }));

const refresh = (token: string | undefined) => ({
  grant_type: "refresh_token",
  refresh_token: token ?? "none",
});

function authorizationAddress(url: string, more: Readonly<Record<string, string>> = {}): string {
  const query = { client_id: "desktop", redirect_uri: "http://127.0.0.1:4711", response_type: "code" };
  return `${url}?${new URLSearchParams({ ...query, scope: `openid ${SCOPE}`, state: "s", ...more })}`;
}

describe("startOAuthProvider()", () => {
  test("startOAuthProvider() grants what a person allows, says whose it is, and how long it is good", async () => {
    await using provider = await startOAuthProvider({ accessTokenSecs: 7, claims: { role: "admin" } });
    for (const client of ["desktop", "desktop-basic", "desktop-public"] as const) {
      const tokens = await provider.signIn({ client, account: "you@example.com" });
      expect(tokens).toMatchObject({ expires_in: 7, refresh_token: expect.any(String) });
      expect(tokens.scope.split(" ")).toContain(SCOPE);
      const claims = JSON.parse(Buffer.from(tokens.id_token?.split(".")[1] ?? "", "base64url").toString());
      expect(claims).toMatchObject({ email: "you@example.com", email_verified: true, aud: client });
      expect(await provider.introspect(tokens.access_token)).toMatchObject({
        active: true,
        email: "you@example.com",
        role: "admin",
        scope: expect.stringContaining(SCOPE),
      });
    }
    expect(provider.tokenRequests).toHaveLength(3);
  });

  test("startOAuthProvider() is strict about secrets, PKCE, redirects and consent", async () => {
    await using provider = await startOAuthProvider();
    const { authorizationUrl, askForTokens } = provider;
    const isWrong = { client_id: "desktop", client_secret: "wrong" };
    const refused = await fetch(provider.tokenUrl, { method: "POST", body: new URLSearchParams(isWrong) });
    expect(refused.status).toBe(401);
    const redirect_uri = "http://127.0.0.1:4711";
    const back = await signInByHttp(
      authorizationAddress(authorizationUrl, {
        code_challenge: "x".repeat(43),
        code_challenge_method: "S256",
      }),
    );
    expect(Object.fromEntries(back.searchParams)).toMatchObject({ state: "s", iss: provider.issuer });
    const code = back.searchParams.get("code") ?? "";
    const code_verifier = "y".repeat(43);
    const grant = { grant_type: "authorization_code", redirect_uri, code, code_verifier };
    expect((await askForTokens(grant)).json).toMatchObject({ error: "invalid_grant" });
    const denied = await signInByHttp(authorizationAddress(authorizationUrl), { consent: false });
    expect(denied.searchParams.get("error")).toBe("access_denied");
    const publicOne = await signInByHttp(
      authorizationAddress(authorizationUrl, { client_id: "desktop-public" }),
    );
    expect(publicOne.searchParams.get("error")).toBe("invalid_request");
    await expect(
      signInByHttp(authorizationAddress(authorizationUrl, { redirect_uri: "http://192.0.2.1:4711" })),
    ).rejects.toThrow("redirect_uri");
  });

  test("startOAuthProvider() with rotation revokes all that came of a sign-in when a refresh token is used twice", async () => {
    await using provider = await startOAuthProvider({ rotates: true });
    const { refresh_token } = await provider.signIn();
    const next = await provider.askForTokens(refresh(refresh_token));
    expect(next.status).toBe(200);
    expect(next.json.refresh_token).not.toBe(refresh_token);
    expect((await provider.askForTokens(refresh(refresh_token))).json.error).toBe("invalid_grant");
    expect((await provider.askForTokens(refresh(String(next.json.refresh_token)))).json.error).toBe(
      "invalid_grant",
    );
    expect(provider.tokenRequests.map(({ status }) => status)).toEqual([200, 200, 400, 400]);
  });

  test("startOAuthProvider() without rotation keeps a refresh token good, until all is forgotten", async () => {
    await using provider = await startOAuthProvider();
    const { refresh_token } = await provider.signIn();
    for (const _ of [1, 2]) expect((await provider.askForTokens(refresh(refresh_token))).status).toBe(200);
    provider.forgetAll();
    expect((await provider.askForTokens(refresh(refresh_token))).json.error).toBe("invalid_grant");
  });

  test("startOAuthProvider() makes JWTs for an audience, of the task queue's scope, also by renewal", async () => {
    await using provider = await startOAuthProvider({ jwtAudience: "https://queues.example.com" });
    const tokens = await provider.signIn();
    const renewed = await provider.askForTokens(refresh(tokens.refresh_token));
    for (const token of [tokens.access_token, String(renewed.json.access_token)]) {
      const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
      expect(claims).toMatchObject({
        iss: provider.issuer,
        aud: "https://queues.example.com",
        email: "me@example.com",
        scope: SCOPE,
      });
    }
    expect(await (await fetch(provider.jwksUrl)).json()).toMatchObject({ keys: [{ kid: "key-1" }] });
  });

  test.each<[string, OAuthProviderOptions]>([
    ["no refresh token", { refreshTokens: false }],
    ["no address in the ID token", { emailIn: "userinfo" }],
  ])("startOAuthProvider() gives %s when told so", async (_, options) => {
    await using provider = await startOAuthProvider(options);
    const { refresh_token, id_token, access_token } = await provider.signIn();
    expect(refresh_token === undefined).toBe(options.refreshTokens === false);
    const claims = JSON.parse(Buffer.from(id_token?.split(".")[1] ?? "", "base64url").toString());
    expect("email" in claims).toBe(options.emailIn === undefined);
    const userinfo = await fetch(`${provider.issuer}/me`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    expect(await userinfo.json()).toMatchObject({ email: "me@example.com" });
  });

  test("holdTokenAnswers() keeps an answer back whose token is granted already", async () => {
    await using provider = await startOAuthProvider({ rotates: true });
    const { refresh_token, access_token } = await provider.signIn();
    const held = provider.holdTokenAnswers();
    let isAnswered = false;
    const answer = provider.askForTokens(refresh(refresh_token)).finally(() => {
      isAnswered = true;
    });
    await held.reached;
    // A call that begins later and ends sooner.
    expect(await provider.introspect(access_token)).toMatchObject({ active: true });
    expect(provider.tokenRequests).toHaveLength(2);
    expect(isAnswered).toBe(false);
    held.release();
    expect((await answer).status).toBe(200);
    expect((await provider.askForTokens(refresh(refresh_token))).status).toBe(400);
  });

  test("stop() closes the port, and start() opens it again with all that was granted", async () => {
    using folder = temporaryFolder();
    await using provider = await startOAuthProvider();
    const { refresh_token } = await provider.signIn();
    await provider.stop();
    await expect(provider.askForTokens(refresh(refresh_token))).rejects.toThrow("fetch failed");
    await provider.start();
    expect((await provider.askForTokens(refresh(refresh_token))).status).toBe(200);
    const path = provider.writeClientSecrets(folder.file("client_secrets.json"));
    expect(JSON.parse(readFileSync(path, "utf8")).installed).toMatchObject({
      client_id: "desktop",
      token_uri: provider.tokenUrl,
    });
  });

  test("startOAuthProvider() says nothing on the console", async () => {
    await using provider = await startOAuthProvider();
    const { access_token } = await provider.signIn();
    await provider.revoke(access_token);
    expect(await provider.introspect(access_token)).toEqual({ active: false });
    // By this test and by all before it, because each warning comes once in a process.
    expect(said).toEqual([]);
  });
});
