import { symlinkSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthProvider, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import { LOCK_RETRY_MS } from "../../src/limits.js";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { awaited } from "../support/recording-server.js";
import { json, refreshes, signedInFile, userOf } from "../support/signed-in-files.js";

/** What becomes of the file of a sign-in, whatever happens while it is renewed. */

let provider: OAuthProvider;
let rotating: OAuthProvider;
let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeAll(async () => {
  provider = await startOAuthProvider();
  rotating = await startOAuthProvider({ rotates: true });
});
afterAll(async () => {
  await provider.stop();
  await rotating.stop();
});
beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
});
afterEach(() => folder[Symbol.dispose]());

const isActive = async (at: OAuthProvider, token: string) => (await at.introspect(token)).active;

describe("What a renewal writes", () => {
  test("getAccessToken() writes a replaced refresh token into a file that holds no access token", async () => {
    const tokens = await rotating.signIn();
    const fields = {
      type: "authorized_user",
      client_id: "desktop",
      client_secret: rotating.secretOf("desktop"),
      refresh_token: tokens.refresh_token,
      token_uri: rotating.tokenUrl,
      quota_project_id: "kept",
    };
    writeFileSync(path, JSON.stringify(fields));
    await using credentials = openCredentials({ credentialsFile: path });
    const rejected = await credentials.getAccessToken();
    const written = json(path);
    expect(written).toMatchObject({ quota_project_id: "kept", type: "authorized_user" });
    expect(written.refresh_token).not.toBe(tokens.refresh_token);
    // The old one would void the whole grant.
    await credentials.getAccessToken({ rejected });
  });

  test("getAccessToken() leaves a file alone that holds no access token and whose refresh token stays", async () => {
    const { refresh_token } = await provider.signIn();
    const client_secret = provider.secretOf("desktop");
    const named = { type: "authorized_user", client_id: "desktop", client_secret, refresh_token };
    const fields = { ...named, token_uri: provider.tokenUrl };
    writeFileSync(path, JSON.stringify(fields));
    await using credentials = openCredentials({ credentialsFile: path });
    expect(await isActive(provider, await credentials.getAccessToken())).toBe(true);
    expect(json(path)).toEqual(fields);
  });

  test("getAccessToken() goes on in memory where a replaced refresh token cannot be saved, and warns once", async () => {
    await signedInFile(rotating, folder.file("real.json"), { expiresAtMs: 0 });
    const before = json(folder.file("real.json"));
    symlinkSync("real.json", path);
    const warnings: string[] = [];
    await using credentials = openCredentials({
      credentialsFile: path,
      onWarning: (message) => warnings.push(message),
    });
    let rejected = await credentials.getAccessToken();
    for (let round = 0; round < 3; round++) rejected = await credentials.getAccessToken({ rejected });
    expect(await isActive(rotating, rejected)).toBe(true);
    expect(json(folder.file("real.json"))).toEqual(before);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("symbolic link");
    // A new sign-in counts again.
    const { accessToken } = await signedInFile(rotating, folder.file("real.json"));
    expect(await credentials.getAccessToken({ rejected })).toBe(accessToken);
  });

  test("getAccessToken() does not overwrite a sign-in that was made while the server was asked", async () => {
    await signedInFile(provider, path, { expiresAtMs: 0 });
    const other = userOf(provider, await provider.signIn({ account: "other@example.com" }));
    const held = provider.holdTokenAnswers();
    await using credentials = openCredentials({ credentialsFile: path });
    const token = credentials.getAccessToken();
    await held.reached;
    writeFileSync(path, encodeUser(other));
    held.release();
    await token;
    expect(json(path)).toMatchObject({ account: "other@example.com", access_token: other.accessToken });
  });
});

describe("An abort, and the end", () => {
  test("getAccessToken() rejects with the signal's reason, and the renewal goes on and is saved", async () => {
    const user = await signedInFile(rotating, path, { expiresAtMs: 0 });
    const held = rotating.holdTokenAnswers();
    await using credentials = openCredentials({ credentialsFile: path });
    const leaving = new AbortController();
    const left = credentials.getAccessToken({ signal: leaving.signal });
    const stayed = credentials.getAccessToken();
    await held.reached;
    leaving.abort(new Error("no interest"));
    await expect(left).rejects.toThrow("no interest");
    await expect(credentials.getAccessToken({ signal: leaving.signal })).rejects.toThrow("no interest");
    held.release();
    expect(json(path).access_token).toBe(user.accessToken);
    const token = await stayed;
    expect(json(path).access_token).toBe(token);
  });

  test("close() waits for a renewal that was asked for and saves it, because the old refresh token is void", async () => {
    const user = await signedInFile(rotating, path, { expiresAtMs: 0 });
    const held = rotating.holdTokenAnswers();
    const credentials = openCredentials({ credentialsFile: path });
    const token = credentials.getAccessToken();
    await held.reached;
    const closed = Promise.all([credentials.close(), credentials.close()]);
    held.release();
    await closed;
    expect(json(path).refresh_token).not.toBe(user.refreshToken);
    expect(json(path).access_token).toBe(await token);
  });

  test("close() ends the wait for somebody else's lock", async () => {
    await signedInFile(provider, path, { expiresAtMs: 0 });
    const held = provider.holdTokenAnswers();
    await using holder = openCredentials({ credentialsFile: path });
    const first = holder.getAccessToken();
    await held.reached;
    const before = refreshes(provider);
    const { reach, reached } = awaited();
    const clock: Clock = {
      nowUs: () => systemClock.nowUs(),
      timer: (delayMs, callback, options) => {
        if (delayMs === LOCK_RETRY_MS) reach();
        return systemClock.timer(delayMs, callback, options);
      },
    };
    const credentials = openCredentials({ credentialsFile: path, clock });
    const waiting = expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "closed" });
    await reached;
    await credentials.close();
    await waiting;
    expect(refreshes(provider)).toBe(before);
    held.release();
    await first;
  });

  test("every call rejects with `closed` after close()", async () => {
    await signedInFile(provider, path);
    const credentials = openCredentials({ credentialsFile: path });
    await credentials.getAccessToken();
    await credentials.close();
    await credentials.close();
    for (const call of [
      () => credentials.getAccessToken(),
      () => credentials.refresh(),
      () => credentials.describe(),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: "AuthError", code: "closed" });
    }
  });
});
