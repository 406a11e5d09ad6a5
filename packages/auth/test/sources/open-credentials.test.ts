import { writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, test } from "vitest";
import { isAuthError } from "../../src/errors.js";
import { signIn } from "../../src/sign-in/sign-in.js";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { signOut } from "../../src/sources/sign-out.js";
import { summarize } from "../../src/summary.js";
import { json, signedInFile } from "../support/signed-in-files.js";

/** Everything that an object shows of itself: to a log, to a debugger that looks for all, to JSON. */
function shown(value: unknown): string {
  const text = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true });
  return `${text} ${JSON.stringify(value)} ${String(value)}`;
}

/** What people put where a path belongs, above all into variables of build servers. */
const CONTENTS = [
  ["the text of a credentials file", `{"type": "authorized_user", "refresh_token": "1//5ecret"}`],
  ["the text of a file in several lines", `\n{\n  "private_key": "5ecret"\n}\n`],
  [
    "a file in base64",
    `${Buffer.from('{"type": "service_account", "private_key": "x"}').toString("base64")}5ecret`,
  ],
  ["a key", "-----BEGIN PRIVATE KEY-----5ecret"],
  ["a signed token", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.5ecret-5ecret-5ecret"],
  ["an access token of Google's", "ya29.a0Af5ecret"],
] as const;

describe("openCredentials()", () => {
  test.each([
    ["an empty path", { credentialsFile: "" }, "credentialsFile must be a text, got an empty one"],
    ["a path that is no text", { credentialsFile: 5 }, "credentialsFile must be a text, got number"],
    ["an audience of nothing", { audience: null }, "audience must be a text, got null"],
    ["no scope at all", { scopes: [] }, "at least one scope"],
    ["scopes in one text", { scopes: "one two" }, "scopes must be a list"],
    ["two scopes in one", { scopes: ["one two"] }, "without spaces"],
  ])("openCredentials() throws `invalid_argument` for %s", (_, options, words) => {
    let failure: unknown;
    try {
      openCredentials(options as object);
    } catch (error) {
      failure = error;
    }
    expect(isAuthError(failure, "invalid_argument")).toBe(true);
    expect(String(failure)).toContain(words);
  });

  test("openCredentials() reads nothing before the first call", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using credentials = openCredentials({ credentialsFile: path });
    await expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "not_found" });
    writeFileSync(path, JSON.stringify({ access_token: "a-token" }));
    expect(await credentials.getAccessToken()).toBe("a-token");
  });

  test.each(CONTENTS)(
    "credentials named by %s instead of a path are refused without a word of it",
    async (_, text) => {
      const byOption = openCredentials({ credentialsFile: text });
      const byVariable = openCredentials({ env: { GOOGLE_APPLICATION_CREDENTIALS: text } });
      const signInOptions = {
        clientSecretsFile: text,
        credentialsFile: "credentials.json",
        onAddress: () => {},
      };
      const failures = await Promise.all(
        [
          byOption.getAccessToken(),
          byOption.describe(),
          byVariable.getAccessToken(),
          signOut({ credentialsFile: text }),
          signIn(signInOptions),
          signIn({ ...signInOptions, clientSecretsFile: "client_secrets.json", credentialsFile: text }),
        ].map((call) => call.catch((error: unknown) => error)),
      );
      for (const failure of failures) {
        expect(isAuthError(failure, "invalid_argument")).toBe(true);
        expect(String(failure)).toContain("the path of a file");
        expect(shown(failure)).not.toContain("5ecret");
      }
    },
  );

  test("getAccessToken() of a token alone gives it until it is refused, and takes another that is put there", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    writeFileSync(path, JSON.stringify({ access_token: "a-token" }));
    await using credentials = openCredentials({ credentialsFile: path });
    expect(await credentials.getAccessToken()).toBe("a-token");
    expect(await credentials.describe()).toMatchObject({ kind: "access_token", refreshable: false });
    const refused = credentials.getAccessToken({ rejected: "a-token" });
    await expect(refused).rejects.toMatchObject({ code: "sign_in_needed" });
    writeFileSync(path, JSON.stringify({ access_token: "another-token" }));
    expect(await credentials.getAccessToken({ rejected: "a-token" })).toBe("another-token");
    await using own = openCredentials({ credentialsFile: path, audience: "https://queue.example.com" });
    await expect(own.getAccessToken()).rejects.toMatchObject({ code: "not_supported" });
  });

  test("getAccessToken() gives no token that a header cannot hold, and does not quote it", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    writeFileSync(path, JSON.stringify({ access_token: "a-token\r\nx-injected: 1" }));
    const failure = await openCredentials({ credentialsFile: path })
      .getAccessToken()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "invalid_file" });
    expect(String(failure)).not.toContain("injected");
  });

  test("a hundred calls at once make no noise", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    writeFileSync(path, JSON.stringify({ access_token: "a-token" }));
    const warnings: string[] = [];
    const listen = (warning: Error) => warnings.push(warning.message);
    process.on("warning", listen);
    await using credentials = openCredentials({ credentialsFile: path });
    await Promise.all(Array.from({ length: 100 }, () => credentials.describe()));
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener("warning", listen);
    expect(warnings).toEqual([]);
  });

  test("refresh() says of an access token alone that nothing renews it, and not that it has ended", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    writeFileSync(path, JSON.stringify({ access_token: "a-token" }));
    await using credentials = openCredentials({ credentialsFile: path });
    await expect(credentials.refresh()).rejects.toMatchObject({
      code: "sign_in_needed",
      message: `"${path}" holds an access token and nothing to renew it by: put a new one there, or make a file that can be renewed with pullqueue auth login`,
    });
  });

  test("getAccessToken() follows a file that becomes one of another kind", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    writeFileSync(path, JSON.stringify({ access_token: "a-token" }));
    await using provider = await startOAuthProvider();
    await using credentials = openCredentials({ credentialsFile: path });
    await credentials.getAccessToken();
    const { accessToken } = await signedInFile(provider, path);
    expect(await credentials.getAccessToken({ rejected: "a-token" })).toBe(accessToken);
  });

  test("credentials, their summary and their errors show no secret, however one looks at them", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using provider = await startOAuthProvider();
    const user = await signedInFile(provider, path);
    await using credentials = openCredentials({ credentialsFile: path });
    await credentials.getAccessToken();
    const summary = await credentials.refresh();
    await provider.revoke(user.refreshToken ?? "");
    const rejected = await credentials.getAccessToken();
    const refusal: unknown = await credentials.getAccessToken({ rejected }).catch((error: unknown) => error);
    await provider.stop();
    await signedOutServer(path);
    const failure: unknown = await credentials.getAccessToken({ rejected }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "sign_in_needed" });
    expect(failure).toMatchObject({ code: "unavailable" });
    const secrets = [
      user.refreshToken,
      user.accessToken,
      user.idToken,
      user.clientSecret,
      rejected,
      String(json(path).refresh_token),
    ];
    for (const object of [credentials, summary, refusal, failure, await credentials.describe()]) {
      for (const secret of secrets) expect(shown(object)).not.toContain(secret);
    }
  });

  /** Another refresh token, so that the one which was refused is not remembered. */
  async function signedOutServer(path: string): Promise<void> {
    writeFileSync(path, JSON.stringify({ ...json(path), refresh_token: "another-refresh-token" }));
  }
});

describe("summarize()", () => {
  test("summarize() says of an old file whose it is by the claims that it keeps, and shows no secret", () => {
    const stored = {
      kind: "user",
      format: "oauth2client",
      clientId: "client",
      clientSecret: "a-client-secret",
      refreshToken: "a-refresh-token",
      tokenUri: "https://accounts.example.com/o/oauth2/token",
      revokeUri: undefined,
      accessToken: undefined,
      expiresAtMs: 5,
      scopes: undefined,
      idToken: undefined,
      isInvalid: false,
      fields: { id_token: { email: "old@example.com" }, account: "other@example.com" },
    } as const;
    const summary = summarize(stored, "old.json");
    expect(summary).toEqual({
      kind: "user",
      account: "old@example.com",
      scopes: undefined,
      expiresAtMs: undefined,
      source: "old.json",
      refreshable: true,
      issuer: "https://accounts.example.com",
      audience: undefined,
    });
    // So it is written where nobody said.
    expect(summarize({ ...stored, scopes: [] }, "old.json").scopes).toBeUndefined();
    expect(summarize({ ...stored, isInvalid: true }, "old.json").refreshable).toBe(false);
    expect(summarize({ ...stored, fields: { account: "other@example.com" } }, "").account).toBe(
      "other@example.com",
    );
  });
});
