import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthProvider, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { withFileLock } from "../../src/files/file-lock.js";
import { LOCK_RETRY_MS } from "../../src/limits.js";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { signOut } from "../../src/sources/sign-out.js";
import type { UserCredentials } from "../../src/stored-credentials.js";
import { manualClock } from "../support/manual-clock.js";
import { recordingServer, sendJson } from "../support/recording-server.js";
import { signedInFile } from "../support/signed-in-files.js";

let provider: OAuthProvider;
let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(() => provider.stop());
beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
});
afterEach(() => folder[Symbol.dispose]());

describe("signOut()", () => {
  test.each(["desktop", "desktop-public", "desktop-basic"] as const)(
    "signOut() revokes the sign-in of the client %s and deletes its file",
    async (client) => {
      const { refreshToken = "" } = await signedInFile(provider, path, {}, client);
      expect(await signOut({ credentialsFile: path })).toEqual({ revoked: true });
      expect(existsSync(path)).toBe(false);
      expect(existsSync(`${path}.lock`)).toBe(false);
      const form = { grant_type: "refresh_token", refresh_token: refreshToken };
      expect(await provider.askForTokens(form, client)).toMatchObject({ status: 400 });
    },
  );

  test("getAccessToken() names the command that signs in, after signOut() elsewhere", async () => {
    const { accessToken: rejected = "" } = await signedInFile(provider, path);
    await using credentials = openCredentials({ credentialsFile: path });
    await credentials.getAccessToken();
    await signOut({ credentialsFile: path });
    await expect(credentials.getAccessToken({ rejected })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining(`pullqueue auth login client_secrets.json ${path}`),
    });
  });

  test("signOut() deletes the file where its server has no way to revoke, and says so", async () => {
    await signedInFile(provider, path, { revokeUri: undefined });
    expect(await signOut({ credentialsFile: path })).toEqual({ revoked: false });
    expect(existsSync(path)).toBe(false);
  });

  test("signOut() takes any success for one, whatever comes with it (RFC 7009, 2.2)", async () => {
    await using plain = await recordingServer((_, response) => void response.end("<p>gone</p>"));
    await signedInFile(provider, path, { revokeUri: plain.origin });
    expect(await signOut({ credentialsFile: path })).toEqual({ revoked: true });
  });

  test("signOut() takes a token that has ended already for revoked, as Google's answer has it", async () => {
    await using google = await recordingServer((_, response) =>
      sendJson(response, 400, { error: "invalid_token", error_description: "Token expired or revoked" }),
    );
    const { refreshToken } = await signedInFile(provider, path, { revokeUri: google.origin });
    expect(await signOut({ credentialsFile: path })).toEqual({ revoked: true });
    expect(google.requests[0]?.form).toMatchObject({ token: refreshToken, token_type_hint: "refresh_token" });
  });

  test("signOut() keeps the file while the server cannot be reached or refuses, unless it is forced", async () => {
    await signedInFile(provider, path, { revokeUri: "http://127.0.0.1:1/revoke" });
    await expect(signOut({ credentialsFile: path })).rejects.toMatchObject({ code: "unavailable" });
    await using refusing = await recordingServer((_, response) =>
      sendJson(response, 400, { error: "unsupported_token_type" }),
    );
    await signedInFile(provider, path, { revokeUri: refusing.origin });
    await expect(signOut({ credentialsFile: path })).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("unsupported_token_type"),
    });
    expect(existsSync(path)).toBe(true);
    expect(await signOut({ credentialsFile: path, force: true })).toEqual({ revoked: false });
    expect(existsSync(path)).toBe(false);
  });

  test("signOut() leaves a service account's key alone, even when it is forced", async () => {
    const key = {
      type: "service_account",
      client_email: "a@example.com",
      private_key: "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n",
      token_uri: "https://example.com",
    };
    writeFileSync(path, JSON.stringify(key));
    await expect(signOut({ credentialsFile: path, force: true })).rejects.toMatchObject({
      code: "not_supported",
      message: expect.stringContaining("service_account"),
    });
    expect(existsSync(path)).toBe(true);
  });

  test.each([false, true])(
    "signOut() revokes nothing whose file it will not delete (force %s)",
    async (force) => {
      const { refreshToken = "" } = await signedInFile(provider, path);
      const link = folder.file("link.json");
      symlinkSync(path, link);
      await expect(signOut({ credentialsFile: link, force })).rejects.toMatchObject({
        code: "not_permitted",
        message: expect.stringContaining("symbolic link"),
      });
      expect(existsSync(path)).toBe(true);
      const form = { grant_type: "refresh_token", refresh_token: refreshToken };
      expect(await provider.askForTokens(form)).toMatchObject({ status: 200 });
    },
  );

  test("signOut() waits for whoever renews the sign-in, and revokes what came of that", async () => {
    await signedInFile(provider, path, { refreshToken: "an-old-one" });
    const clock = manualClock();
    let signingOut: Promise<unknown> | undefined;
    let renewed: UserCredentials | undefined;
    await withFileLock(path, { clock }, async () => {
      signingOut = signOut({ credentialsFile: path, clock });
      await clock.waitedOn(LOCK_RETRY_MS);
      renewed = await signedInFile(provider, path);
    });
    clock.advance(LOCK_RETRY_MS);
    expect(await signingOut).toEqual({ revoked: true });
    const form = { grant_type: "refresh_token", refresh_token: renewed?.refreshToken ?? "" };
    expect(await provider.askForTokens(form)).toMatchObject({ status: 400 });
  });

  test("signOut() rejects with the signal's reason and deletes nothing", async () => {
    await signedInFile(provider, path);
    const signal = AbortSignal.abort(new Error("changed my mind"));
    await expect(signOut({ credentialsFile: path, signal, force: true })).rejects.toThrow("changed my mind");
    expect(existsSync(path)).toBe(true);
  });
});
