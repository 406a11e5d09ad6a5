import { readFileSync, statSync, writeFileSync } from "node:fs";
import { isMissing, temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, describe, expect, test } from "vitest";
import { readCredentials } from "../../src/files/credentials-file.js";
import { writePrivateFile } from "../../src/files/private-file.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import type { UserCredentials } from "../../src/stored-credentials.js";
import { python } from "../support/credential-libraries.js";
import { idToken, OLDEST_OAUTH2CLIENT, sampleUser } from "../support/sample-credentials.js";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const isPythonMissing = isMissing("python3-oauth2client") || isMissing("python3-google-auth");

/** How long a test may take, in milliseconds: each starts Python several times, on a busy machine. */
const TEST_MS = 60_000;

async function readUser(path: string): Promise<UserCredentials> {
  const credentials = await readCredentials(path);
  if (credentials.kind !== "user") throw new Error(`expected a user, got ${credentials.kind}`);
  return credentials;
}

async function write(name: string, user: UserCredentials): Promise<string> {
  await writePrivateFile(folder.file(name), encodeUser(user));
  return folder.file(name);
}

describe.skipIf(isPythonMissing)("a file of ours", { timeout: TEST_MS }, () => {
  test.each([
    ["good", Date.UTC(2040, 4, 1, 12, 34, 56), "2040-05-01T12:34:56", false],
    ["over", Date.UTC(2016, 4, 1, 12, 34, 56), "2016-05-01T12:34:56", true],
    ["without an end", undefined, null, false],
  ])("is read by both libraries: token %s", async (_, expiresAtMs, expiry, expired) => {
    const path = await write("ours.json", sampleUser({ expiresAtMs }));
    const common = { client_id: "client-1", client_secret: "secret-1", refresh_token: "refresh-1" };
    expect(await python("oauth2client_get", path)).toEqual({
      ...common,
      ...{ class: "OAuth2Credentials", access_token: "access-1", token_expiry: expiry, expired },
      ...{ token_uri: "https://auth.example/token", revoke_uri: "https://auth.example/revoke" },
      ...{ user_agent: null, invalid: false, id_token: { email: "ada@example.com", sub: "1" } },
      id_token_jwt: idToken({ email: "ada@example.com", sub: "1" }),
      scopes: ["https://www.googleapis.com/auth/taskqueue", "openid"],
    });
    expect(await python("google_from_file", path)).toMatchObject(common);
    expect(await python("google_later", path)).toMatchObject({
      ...common,
      ...{ token: "access-1", token_uri: "https://auth.example/token", expiry, expired },
    });
  });

  test("of a public client, without tokens and with a refused refresh token, is read by both", async () => {
    const path = await write(
      "bare.json",
      sampleUser({ clientSecret: undefined, idToken: undefined, scopes: undefined, isInvalid: true }),
    );
    expect(await python("oauth2client_get", path)).toMatchObject({
      ...{ client_secret: "", invalid: true, expired: true, scopes: [], id_token: null },
    });
    expect(await python("google_from_file", path)).toMatchObject({ client_secret: "" });
  });
});

describe.skipIf(isPythonMissing)("oauth2client's file", { timeout: TEST_MS }, () => {
  test("is read as Storage.put() writes it, and by oauth2client again after we have written it", async () => {
    const path = folder.file("storage");
    const fields = {
      ...{ access_token: "access-p", client_id: "client-p", client_secret: "secret-p" },
      ...{ refresh_token: "refresh-p", token_expiry: "2040-05-01T12:34:56Z", user_agent: "agent-p" },
      ...{ token_uri: "https://auth.example/token", revoke_uri: "https://auth.example/revoke" },
      ...{ id_token: { email: "ada@example.com" }, id_token_jwt: idToken({ email: "ada@example.com" }) },
      scopes: ["openid"],
    };
    await python("oauth2client_put", path, JSON.stringify(fields));
    const user = await readUser(path);
    expect(user).toMatchObject({
      ...{ format: "oauth2client", clientId: "client-p", clientSecret: "secret-p", accessToken: "access-p" },
      ...{ refreshToken: "refresh-p", expiresAtMs: Date.UTC(2040, 4, 1, 12, 34, 56), scopes: ["openid"] },
      ...{ idToken: fields.id_token_jwt, revokeUri: "https://auth.example/revoke" },
    });
    await write("storage", { ...user, accessToken: "access-2", refreshToken: "refresh-2" });
    expect(await python("oauth2client_get", path)).toMatchObject({
      ...{ class: "OAuth2Credentials", access_token: "access-2", refresh_token: "refresh-2" },
      user_agent: "agent-p",
    });
  });

  test("of class GoogleCredentials keeps its class", async () => {
    const path = folder.file("google-credentials");
    const nothing = { access_token: null, token_expiry: null, user_agent: null };
    const fields = {
      ...{ class: "GoogleCredentials", ...nothing, client_id: "c", client_secret: "s", refresh_token: "r" },
      token_uri: "https://oauth2.googleapis.com/token",
    };
    await python("oauth2client_put", path, JSON.stringify(fields));
    const user = await readUser(path);
    await write("google-credentials", { ...user, accessToken: "access-2" });
    expect(await python("oauth2client_get", path)).toMatchObject({
      ...{ class: "GoogleCredentials", access_token: "access-2", refresh_token: "r" },
    });
  });

  test("of 2012 is still read by oauth2client after we have written it", async () => {
    const path = folder.file("oldest");
    writeFileSync(path, JSON.stringify(OLDEST_OAUTH2CLIENT));
    await write("oldest", { ...(await readUser(path)), accessToken: "access-2" });
    expect(await python("oauth2client_get", path)).toMatchObject({ access_token: "access-2" });
  });

  test("is read where it holds a bare token or the key of a service account", async () => {
    const path = folder.file("other");
    await python("oauth2client_put_access_token", path, "bare-token");
    expect(await readCredentials(path)).toMatchObject({ kind: "access_token", accessToken: "bare-token" });
    const privateKey = readFileSync(
      new URL("../../../testing/test/fixtures/service-account-key.pem", import.meta.url),
      "utf8",
    );
    const key = { client_email: "robot@x.example", private_key: privateKey, private_key_id: "k" };
    writeFileSync(
      folder.file("key.json"),
      JSON.stringify({
        type: "service_account",
        client_id: "1",
        ...key,
        token_uri: "https://auth.example/t",
      }),
    );
    await python("oauth2client_put_key", path, folder.file("key.json"));
    expect(await readCredentials(path)).toEqual({
      ...{ kind: "service_account", clientEmail: "robot@x.example", privateKey, privateKeyId: "k" },
      tokenUri: "https://auth.example/t",
    });
  });
});

describe.skipIf(isPythonMissing)("both libraries with a real server", { timeout: TEST_MS }, () => {
  test("renew by our file, and what oauth2client then writes is read again", async () => {
    await using provider = await startOAuthProvider();
    const tokens = await provider.signIn({ client: "desktop" });
    const user = sampleUser({
      ...{ clientId: "desktop", clientSecret: provider.secretOf("desktop") },
      ...{ tokenUri: provider.tokenUrl, revokeUri: provider.revocationUrl, idToken: tokens.id_token },
      ...{ refreshToken: tokens.refresh_token, accessToken: tokens.access_token },
      scopes: tokens.scope.split(" "),
    });
    const path = await write("renewed.json", user);
    const byGoogle = await python("google_refresh", path);
    expect(byGoogle.token).not.toBe(tokens.access_token);
    expect(await provider.introspect(String(byGoogle.token))).toMatchObject({ active: true });

    const byOauth2client = await python("oauth2client_refresh", path);
    const read = await readUser(path);
    expect(read).toMatchObject({
      ...{ format: "oauth2client", refreshToken: tokens.refresh_token, tokenUri: provider.tokenUrl },
      accessToken: byOauth2client.access_token,
    });
    expect(await provider.introspect(String(read.accessToken))).toMatchObject({ active: true });
    expect(statSync(path).mode & 0o777).toBe(0o600);

    await write("renewed.json", { ...read, accessToken: "access-3" });
    expect(await python("oauth2client_get", path)).toMatchObject({ access_token: "access-3" });
    expect(await readUser(path)).toMatchObject({ format: "pullqueue", accessToken: "access-3" });
  });
});
