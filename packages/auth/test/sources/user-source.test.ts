import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthProvider, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { formatExpiry } from "../../src/files/token-expiry.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { manualClock } from "../support/manual-clock.js";
import { awaited, recordingServer, sendJson } from "../support/recording-server.js";
import {
  HOUR_MS,
  json,
  nowMs,
  refreshes,
  shiftableClock,
  signedInFile,
  userOf,
} from "../support/signed-in-files.js";

/** A person's sign-in at a real authorization server. */

let provider: OAuthProvider;
let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(async () => {
  await provider.stop();
});
beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
});
afterEach(() => folder[Symbol.dispose]());

const isActive = async (at: OAuthProvider, token: string) => (await at.introspect(token)).active;

describe("getAccessToken() of a sign-in", () => {
  test("getAccessToken() gives the token of the file and asks nobody while it is good", async () => {
    const user = await signedInFile(provider, path);
    const before = refreshes(provider);
    await using credentials = openCredentials({ credentialsFile: path });
    expect(await credentials.getAccessToken()).toBe(user.accessToken);
    expect(await credentials.getAccessToken()).toBe(user.accessToken);
    expect(refreshes(provider)).toBe(before);
  });

  test("getAccessToken() renews a token that has ended once for all who ask at once, and writes the file", async () => {
    const user = await signedInFile(provider, path, { expiresAtMs: nowMs() - 1000 });
    const before = refreshes(provider);
    await using credentials = openCredentials({ credentialsFile: path });
    const tokens = await Promise.all(Array.from({ length: 10 }, () => credentials.getAccessToken()));
    const [token = ""] = tokens;
    expect(new Set(tokens).size).toBe(1);
    expect(token).not.toBe(user.accessToken);
    expect(await isActive(provider, token)).toBe(true);
    expect(refreshes(provider)).toBe(before + 1);
    const written = { access_token: token, token, refresh_token: user.refreshToken, invalid: false };
    expect(json(path)).toMatchObject({ ...written, token_response: { access_token: token } });
  });

  test("getAccessToken() never gives a token that ends within half a minute", async () => {
    const user = await signedInFile(provider, path, { expiresAtMs: nowMs() + 29_000 });
    await using credentials = openCredentials({ credentialsFile: path });
    expect(await credentials.getAccessToken()).not.toBe(user.accessToken);
  });

  test("getAccessToken() gives a token that ends within five minutes while the next is had", async () => {
    const user = await signedInFile(provider, path, { expiresAtMs: nowMs() + 200_000 });
    const held = provider.holdTokenAnswers();
    await using credentials = openCredentials({ credentialsFile: path });
    // The first call only adopts the file's; the second finds it ageing.
    expect(await credentials.getAccessToken()).toBe(user.accessToken);
    expect(await credentials.getAccessToken()).toBe(user.accessToken);
    await held.reached;
    expect(await credentials.getAccessToken()).toBe(user.accessToken);
    held.release();
    const renewed = await credentials.getAccessToken({ rejected: user.accessToken! });
    expect(renewed).not.toBe(user.accessToken);
    expect(await credentials.getAccessToken()).toBe(renewed);
  });

  test("getAccessToken() says nothing of a renewal in the background that fails", async () => {
    const user = await signedInFile(provider, path, { expiresAtMs: nowMs() + 200_000 });
    await provider.stop();
    try {
      await using credentials = openCredentials({ credentialsFile: path });
      for (let call = 0; call < 5; call++) expect(await credentials.getAccessToken()).toBe(user.accessToken);
      await expect(credentials.refresh()).rejects.toMatchObject({ code: "unavailable" });
      expect(await credentials.getAccessToken()).toBe(user.accessToken);
    } finally {
      await provider.start();
    }
  });

  test("getAccessToken() begins a renewal in the background that failed once more after ten seconds, not with each call", async () => {
    const answered: (() => void)[] = [];
    await using server = await recordingServer((_, response) => {
      sendJson(response, 503, {});
      for (const tell of answered.splice(0)) tell();
    });
    const user = await signedInFile(provider, path, {
      expiresAtMs: nowMs() + 200_000,
      tokenUri: server.origin,
    });
    const clock = shiftableClock();
    await using credentials = openCredentials({ credentialsFile: path, clock });
    await credentials.getAccessToken();
    // The last time after the clock was set back.
    for (const [index, shiftMs] of [0, 10_000, -20_000].entries()) {
      clock.shift(shiftMs);
      const { reach, reached } = awaited();
      answered.push(reach);
      expect(await credentials.getAccessToken()).toBe(user.accessToken);
      await reached;
      // A forced renewal waits for the one in the background, and fails for itself.
      await expect(credentials.refresh()).rejects.toMatchObject({ code: "unavailable" });
      for (let call = 0; call < 5; call++) await credentials.getAccessToken();
      await expect(credentials.refresh()).rejects.toMatchObject({ code: "unavailable" });
      expect(server.requests).toHaveLength((index + 1) * 3);
    }
  });

  test("getAccessToken() renews a rejected token exactly once, whoever else has been refused it", async () => {
    const { accessToken: rejected = "" } = await signedInFile(provider, path);
    const before = refreshes(provider);
    await using credentials = openCredentials({ credentialsFile: path });
    const tokens = await Promise.all([
      credentials.getAccessToken({ rejected }),
      credentials.getAccessToken({ rejected }),
      // Joined while it knew of no rejection, the renewal would have brought the file's.
      credentials.getAccessToken(),
    ]);
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).not.toBe(rejected);
    expect(await credentials.getAccessToken({ rejected })).toBe(tokens[0]);
    expect(refreshes(provider)).toBe(before + 1);
  });

  test("getAccessToken() renews for one who was refused the token that a call before it is just fetching from the file", async () => {
    const { accessToken: rejected = "" } = await signedInFile(provider, path);
    await using credentials = openCredentials({ credentialsFile: path });
    const [first, second] = await Promise.all([
      credentials.getAccessToken(),
      credentials.getAccessToken({ rejected }),
    ]);
    expect(first).toBe(rejected);
    expect(second).not.toBe(rejected);
  });

  test("getAccessToken() takes a token that somebody else has put into the file before it renews a rejected one", async () => {
    const { accessToken: rejected = "" } = await signedInFile(provider, path);
    await using credentials = openCredentials({ credentialsFile: path });
    await credentials.getAccessToken();
    const other = await signedInFile(provider, path);
    const before = refreshes(provider);
    expect(await credentials.getAccessToken({ rejected })).toBe(other.accessToken);
    expect(refreshes(provider)).toBe(before);
  });

  test("getAccessToken() counts a token's life from before it was asked for, and keeps the scopes that came with it, in the file too", async () => {
    const clock = manualClock();
    const endMs = clock.nowUs() / 1000 + HOUR_MS;
    await using slow = await recordingServer((_, response) => {
      clock.advance(5000);
      sendJson(response, 200, { access_token: "a", expires_in: HOUR_MS / 1000, scope: "fewer scopes" });
    });
    await signedInFile(provider, path, { expiresAtMs: 0, tokenUri: slow.origin });
    await using credentials = openCredentials({ credentialsFile: path, clock });
    expect(await credentials.getAccessToken()).toBe("a");
    expect(await credentials.describe()).toMatchObject({ expiresAtMs: endMs, scopes: ["fewer", "scopes"] });
    expect(json(path).expiry).toBe(formatExpiry(endMs));
  });

  test("getAccessToken() gives tokens that live for seconds, each for most of its life", async () => {
    await using short = await startOAuthProvider({ accessTokenSecs: 20 });
    const clock = shiftableClock();
    await signedInFile(short, path, { expiresAtMs: nowMs() - 1 });
    await using credentials = openCredentials({ credentialsFile: path, clock });
    await using another = openCredentials({ credentialsFile: path, clock });
    const first = await credentials.getAccessToken();
    clock.shift(10_000);
    expect(await credentials.getAccessToken()).toBe(first);
    expect(await another.getAccessToken()).toBe(first);
    expect(refreshes(short)).toBe(1);
    clock.shift(9_000);
    expect(await credentials.getAccessToken()).not.toBe(first);
  });

  test.each([2 * HOUR_MS, -2 * HOUR_MS])(
    "getAccessToken() works with a clock that is wrong by %i ms",
    async (shift) => {
      const { accessToken: fromFile = "" } = await signedInFile(provider, path);
      const before = refreshes(provider);
      const clock = shiftableClock(shift);
      await using credentials = openCredentials({ credentialsFile: path, clock });
      const token = await credentials.getAccessToken();
      expect(await isActive(provider, token)).toBe(true);
      for (let call = 0; call < 5; call++) expect(await credentials.getAccessToken()).toBe(token);
      expect(refreshes(provider) - before).toBe(shift > 0 ? 1 : 0);
      // It jumps back to the right time, and then the same way once more.
      clock.shift(-shift);
      expect(await isActive(provider, await credentials.getAccessToken())).toBe(true);
      clock.shift(shift);
      const last = await credentials.getAccessToken({ rejected: fromFile });
      expect(await isActive(provider, last)).toBe(true);
      expect(refreshes(provider) - before).toBeLessThanOrEqual(3);
    },
  );

  test.each(["desktop-public", "desktop-basic"] as const)(
    "getAccessToken() renews for the client %s",
    async (client) => {
      await signedInFile(provider, path, { expiresAtMs: 0 }, client);
      await using credentials = openCredentials({ credentialsFile: path });
      expect(await isActive(provider, await credentials.getAccessToken())).toBe(true);
    },
  );

  test("getAccessToken() rejects with `unavailable` while the server is down, and works when it is back", async () => {
    await signedInFile(provider, path, { expiresAtMs: 0 });
    await using credentials = openCredentials({ credentialsFile: path });
    await provider.stop();
    try {
      await expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "unavailable" });
    } finally {
      await provider.start();
    }
    expect(await isActive(provider, await credentials.getAccessToken())).toBe(true);
  });
});

describe("A sign-in that is not good any more", () => {
  test("getAccessToken() names the command that mends it, asks no second time, and takes a new sign-in", async () => {
    const { refreshToken = "" } = await signedInFile(provider, path, { expiresAtMs: 0 });
    await provider.revoke(refreshToken);
    const before = refreshes(provider);
    await using credentials = openCredentials({ credentialsFile: path });
    for (let call = 0; call < 3; call++) {
      await expect(credentials.getAccessToken()).rejects.toMatchObject({
        name: "AuthError",
        code: "sign_in_needed",
        message: expect.stringContaining(
          `is not good any more. To sign in: pullqueue auth login client_secrets.json ${path}`,
        ),
      });
    }
    expect(refreshes(provider)).toBe(before + 1);
    const { accessToken } = await signedInFile(provider, path);
    expect(await credentials.getAccessToken()).toBe(accessToken);
  });

  test("getAccessToken() quotes a path with spaces as a shell wants it", async () => {
    const odd = folder.file("it's mine.json");
    await signedInFile(provider, odd, { refreshToken: undefined, expiresAtMs: 0 });
    await expect(openCredentials({ credentialsFile: odd }).getAccessToken()).rejects.toThrow(
      `'${odd.replace("'", `'\\''`)}'`,
    );
  });

  test.each([
    [
      "no refresh token",
      { refreshToken: undefined },
      "no refresh token, by which its access token could be renewed. To sign in: ",
    ],
    ["oauth2client's mark", { isInvalid: true }, "marked as invalid"],
    [
      "oauth2client's mark and a token that has not ended",
      { isInvalid: true, expiresAtMs: nowMs() + HOUR_MS },
      "marked as invalid",
    ],
  ])(
    "getAccessToken() rejects with `sign_in_needed` for a file with %s and asks nobody",
    async (_, changes, words) => {
      await signedInFile(provider, path, { expiresAtMs: 0, ...changes });
      const before = refreshes(provider);
      await expect(openCredentials({ credentialsFile: path }).getAccessToken()).rejects.toMatchObject({
        code: "sign_in_needed",
        message: expect.stringContaining(words),
      });
      expect(refreshes(provider)).toBe(before);
    },
  );

  test("getAccessToken() takes the sign-in that replaced a void one while the server was asked", async () => {
    const { refreshToken = "" } = await signedInFile(provider, path, { expiresAtMs: 0 });
    const tokens = await provider.signIn();
    await provider.revoke(refreshToken);
    const held = provider.holdTokenAnswers();
    await using credentials = openCredentials({ credentialsFile: path });
    const token = credentials.getAccessToken();
    await held.reached;
    writeFileSync(path, encodeUser(userOf(provider, tokens)));
    held.release();
    expect(await token).toBe(tokens.access_token);
  });

  test("getAccessToken() says who is wrong when the server knows the client no more", async () => {
    await signedInFile(provider, path, { expiresAtMs: 0, clientId: "nobody" });
    await expect(openCredentials({ credentialsFile: path }).getAccessToken()).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("invalid_client"),
    });
  });
});

describe("refresh(), describe() and audience", () => {
  test("refresh() renews a token that is good, and describe() says what there is without renewing", async () => {
    const user = await signedInFile(provider, path);
    const before = refreshes(provider);
    await using credentials = openCredentials({ credentialsFile: path });
    const summary = {
      kind: "user",
      account: "me@example.com",
      scopes: user.scopes,
      source: path,
      refreshable: true,
      issuer: provider.issuer,
      audience: undefined,
    };
    const described = await credentials.describe();
    expect(described).toMatchObject(summary);
    expect(Math.abs((described.expiresAtMs ?? 0) - (user.expiresAtMs ?? 0))).toBeLessThan(1000);
    expect(refreshes(provider)).toBe(before);
    expect(await credentials.refresh()).toMatchObject(summary);
    expect(refreshes(provider)).toBe(before + 1);
    expect(json(path).access_token).not.toBe(user.accessToken);
    expect(await credentials.getAccessToken()).toBe(json(path).access_token);
  });

  test("getAccessToken() gives the ID token for an audience that is the application, and refuses any other", async () => {
    const user = await signedInFile(provider, path);
    await using own = openCredentials({ credentialsFile: path, audience: "desktop" });
    const { exp } = JSON.parse(Buffer.from(user.idToken?.split(".")[1] ?? "", "base64url").toString());
    expect(await own.describe()).toMatchObject({ expiresAtMs: exp * 1000, scopes: undefined });
    expect(await own.getAccessToken()).toBe(user.idToken);
    const before = refreshes(provider);
    const renewed = await own.getAccessToken({ rejected: user.idToken! });
    expect(renewed.split(".")).toHaveLength(3);
    expect(refreshes(provider)).toBe(before + 1);
    await using other = openCredentials({ credentialsFile: path, audience: "https://queue.example.com" });
    await expect(other.getAccessToken()).rejects.toMatchObject({
      code: "not_supported",
      message: expect.stringContaining("https://queue.example.com"),
    });
    expect(refreshes(provider)).toBe(before + 1);
  });

  test("getAccessToken() gives no ID token that has ended where the server grants no new one", async () => {
    const { id_token: idToken } = await provider.signIn();
    const scope = "https://www.googleapis.com/auth/taskqueue";
    const user = userOf(provider, await provider.signIn({ scope }), { idToken });
    writeFileSync(path, encodeUser(user));
    const clock = shiftableClock(48 * HOUR_MS);
    await using credentials = openCredentials({ credentialsFile: path, audience: "desktop", clock });
    await expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "not_supported" });
  });
});
