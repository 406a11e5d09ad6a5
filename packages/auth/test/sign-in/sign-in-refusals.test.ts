import { symlinkSync, writeFileSync } from "node:fs";
import { type OAuthProvider, signInByHttp, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SignInOptions, signIn } from "../../src/sign-in/sign-in.js";
import { Attempt, altered, load } from "../support/attempt.js";
import { type RecordingServer, recordingServer } from "../support/recording-server.js";

let provider: OAuthProvider;

beforeAll(async () => {
  provider = await startOAuthProvider();
});

afterAll(async () => {
  await provider[Symbol.asyncDispose]();
});

/** An answer of a token endpoint that grants, but for the fields given. */
function granting(fields: Readonly<Record<string, unknown>>): Promise<RecordingServer> {
  const grant = { access_token: "access-token", token_type: "Bearer", refresh_token: "refresh-token" };
  return answering(200, JSON.stringify({ ...grant, ...fields }));
}

function answering(status: number, body: string): Promise<RecordingServer> {
  return recordingServer((_, response) => void response.writeHead(status).end(body));
}

describe("signIn() refused by the person or the provider", () => {
  test("signIn() says that access was denied, in the browser too", async () => {
    using attempt = new Attempt(provider);
    const { error, page } = await attempt.refusal(async (address) =>
      load(await signInByHttp(address, { consent: false })),
    );
    expect(error.code).toBe("sign_in_failed");
    expect(error.message).toContain("access was denied in the browser");
    expect(page.status).toBe(400);
    expect(page.text).toContain("The sign-in failed");
    expect(page.text).toContain("Access was denied in the browser");
  });

  test("signIn() says what else the provider answers, without letting it write the page", async () => {
    using attempt = new Attempt(provider);
    const { error, page } = await attempt.refusal(async (address) => {
      const back = await signInByHttp(address, { consent: false });
      const other = altered(back, "error", "invalid_scope");
      return await load(altered(other, "error_description", "<script>alert(1)</script>\n\u202e& more"));
    });
    expect(error.message).toContain("invalid_scope (<script>alert(1)</script> & more)");
    expect(page.text).toContain("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more");
    expect(page.text).not.toContain("<script");
  });

  test("signIn() refuses an answer without a code, or with two", async () => {
    using attempt = new Attempt(provider);
    for (const code of ["", "code=a&code=b&"]) {
      const { error } = await attempt.refusal(async (address) => {
        const back = await signInByHttp(address);
        return await load(new URL(`/?${code}state=${back.searchParams.get("state")}`, back));
      });
      expect(error.code).toBe("sign_in_failed");
      expect(error.message).toContain("neither one code nor an error");
    }
  });

  test("signIn() refuses a grant without a refresh token, and says what helps", async () => {
    await using stingy = await startOAuthProvider({ refreshTokens: false });
    using attempt = new Attempt(stingy);
    const { error, page } = await attempt.refusal();
    expect(error.code).toBe("sign_in_failed");
    expect(error.message).toContain("https://myaccount.google.com/permissions");
    expect(page.text).toContain("granted no refresh token");
  });

  test("signIn() refuses a grant without a scope that was wanted", async () => {
    using attempt = new Attempt(provider);
    const { error } = await attempt.refusal(undefined, { scopes: ["https://example.com/auth/other"] });
    expect(error.code).toBe("sign_in_failed");
    expect(error.message).toContain("granted without https://example.com/auth/other");
  });

  test("signIn() takes scopes that a provider spells with a prefix for those that were wanted", async () => {
    await using server = await granting({ scope: "api://queue/tasks" });
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: `${server.origin}/token` });
    const { summary } = await attempt.withBrowser(undefined, { scopes: ["tasks"] });
    expect(summary.scopes).toEqual(["api://queue/tasks"]);
  });

  test("signIn() does not ask for identity scopes back, which providers spell in ways of their own", async () => {
    const queue = "https://www.googleapis.com/auth/taskqueue";
    await using server = await granting({ scope: `https://www.googleapis.com/auth/userinfo.email ${queue}` });
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: `${server.origin}/token` });
    const { summary } = await attempt.withBrowser(undefined, { scopes: ["openid", "email", queue] });
    expect(summary.scopes).toContain(queue);
  });
});

describe("signIn() and a token endpoint that does not grant", () => {
  test("signIn() says that the client's secret is wrong, and in which file", async () => {
    using attempt = new Attempt(provider);
    attempt.setSecrets({ client_secret: "not the secret" });
    const { error } = await attempt.refusal();
    expect(error.code).toBe("sign_in_failed");
    expect(error.message).toContain(`${attempt.clientSecretsFile}: ${provider.issuer} refused`);
    expect(error.message).toContain("invalid_client");
    expect(error.message).not.toContain("not the secret");
  });

  test("signIn() says that a code is not good any more", async () => {
    using attempt = new Attempt(provider);
    const { error, page } = await attempt.refusal(async (address) => {
      const back = await signInByHttp(address);
      provider.forgetAll();
      return await load(back);
    });
    expect(error.code).toBe("sign_in_failed");
    expect(error.message).toContain("invalid_grant");
    expect(error.message).toContain("sign in again");
    expect(page.text).toContain("The sign-in failed");
  });

  test("signIn() does not exchange a code that was asked for with another's challenge", async () => {
    using attempt = new Attempt(provider);
    const { error } = await attempt.refusal(async (address) => {
      const theirs = altered(new URL(address), "code_challenge", "A".repeat(43));
      return await load(await signInByHttp(theirs.href));
    });
    expect(error.message).toContain("invalid_grant");
  });

  test("signIn() says that the token endpoint is down", async () => {
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: "http://127.0.0.1:1/token" });
    const { error, page } = await attempt.refusal();
    expect(error.code).toBe("unavailable");
    expect(error.message).toContain("http://127.0.0.1:1 cannot be reached");
    expect(page.text).toContain("cannot be reached");
  });

  test.each([
    ["a page", 200, "<html>Welcome</html>", "unavailable", "no JSON object"],
    ["no token", 200, "{}", "unavailable", "no access token"],
    [
      "a token of another kind",
      200,
      '{"access_token":"t","token_type":"mac"}',
      "not_supported",
      "another type",
    ],
    ["an error of its own", 503, '{"error":"busy"}', "unavailable", "just now (busy)"],
    [
      "an error that passes",
      400,
      '{"error":"temporarily_unavailable"}',
      "unavailable",
      "just now (temporarily_unavailable)",
    ],
    ["the name of an inherited property", 400, '{"error":"constructor"}', "sign_in_failed", "(constructor)"],
  ])("signIn() says that the token endpoint answers with %s", async (_, status, body, code, words) => {
    await using server = await answering(status, body);
    using attempt = new Attempt(provider);
    attempt.setSecrets({ token_uri: `${server.origin}/token` });
    const { error } = await attempt.refusal();
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    // Public clients aside, nothing is asked twice: a code is good once.
    expect(server.requests.map(({ url }) => url)).toEqual(["/token"]);
  });
});

describe("signIn() and files that will not do", () => {
  test.each<[string, string, (attempt: Attempt) => void]>([
    [
      "secrets of a web client",
      "invalid_file",
      ({ clientSecretsFile }) => writeFileSync(clientSecretsFile, '{"web":{"client_id":"c"}}'),
    ],
    ["placeholders", "invalid_file", (attempt) => attempt.setSecrets({ client_id: "[[INSERT CLIENT ID]]" })],
    [
      "a token endpoint without TLS",
      "not_permitted",
      (attempt) => attempt.setSecrets({ token_uri: "http://id.example.com/token" }),
    ],
    [
      "an authorization endpoint without TLS",
      "not_permitted",
      (attempt) => attempt.setSecrets({ auth_uri: "http://id.example.com/auth" }),
    ],
    [
      "a client that cannot be led back here",
      "invalid_file",
      (attempt) => attempt.setSecrets({ redirect_uris: ["https://www.example.com/callback"] }),
    ],
    [
      "a key where the credentials would go",
      "invalid_file",
      ({ credentialsFile }) => writeFileSync(credentialsFile, '{"type":"service_account"}'),
    ],
    [
      "a symbolic link where the credentials would go",
      "not_permitted",
      (attempt) => symlinkSync(attempt.file("elsewhere.json"), attempt.credentialsFile),
    ],
  ])("signIn() refuses %s before anybody is sent to a browser", async (_, code, spoil) => {
    using attempt = new Attempt(provider);
    spoil(attempt);
    const before = attempt.written();
    await expect(attempt.signIn()).rejects.toMatchObject({ name: "AuthError", code });
    expect(attempt.address).toBe("");
    expect(attempt.written()).toBe(before);
  });

  test("signIn() refuses to write over the client secrets themselves", async () => {
    using attempt = new Attempt(provider);
    const refused = attempt.signIn({ credentialsFile: attempt.clientSecretsFile });
    await expect(refused).rejects.toMatchObject({ code: "invalid_file" });
    expect(attempt.address).toBe("");
  });

  test("signIn() refuses a folder that is not there before anybody is sent to a browser", async () => {
    using attempt = new Attempt(provider);
    const refused = attempt.signIn({ credentialsFile: attempt.file("none/credentials.json") });
    await expect(refused).rejects.toMatchObject({ code: "not_found" });
    expect(attempt.address).toBe("");
  });
});

describe("signIn() and wrong arguments", () => {
  test.each<[string, Partial<SignInOptions>]>([
    ["clientSecretsFile", { clientSecretsFile: "" }],
    ["credentialsFile", { credentialsFile: undefined as unknown as string }],
    ["scopes", { scopes: [] }],
    ["scopes", { scopes: ["two words"] }],
    ["port", { port: 65_536 }],
    ["port", { port: 1.5 }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["timeoutMs", { timeoutMs: 2 ** 31 }],
  ])("signIn() says that %s is wrong: %j", async (name, options) => {
    using attempt = new Attempt(provider);
    const refused = attempt.signIn(options);
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(refused).rejects.toThrow(`${name} must be`);
    expect(attempt.address).toBe("");
  });
});

test("signIn() says what kind of value an option is, never the value: it may be a secrets file that was read already", async () => {
  const options = {
    clientSecretsFile: { installed: { client_secret: "5ecret" } },
    credentialsFile: "c.json",
  };
  const failure: Error = await signIn(options as unknown as SignInOptions).catch((error) => error);
  expect(failure).toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("clientSecretsFile"),
  });
  expect(failure.message).not.toContain("5ecret");
});
