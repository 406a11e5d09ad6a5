import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { awaited, type Recorded, recordingServer, sendJson } from "../support/recording-server.js";
import { HOUR_MS, nowMs, shiftableClock } from "../support/signed-in-files.js";

/** A service account's key, at a token endpoint with the rules of Google's (and of RFC 7523). */

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const EMAIL = "worker@my-app.iam.gserviceaccount.com";

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("key.json");
});
afterEach(() => folder[Symbol.dispose]());

function writeKey(tokenUri: string, key: KeyObject = privateKey, changes: object = {}): void {
  const fields = {
    type: "service_account",
    client_email: EMAIL,
    private_key: key.export({ format: "pem", type: "pkcs8" }),
    private_key_id: "key-1",
    token_uri: tokenUri,
  };
  writeFileSync(path, JSON.stringify({ ...fields, ...changes }));
}

/** Grants for an assertion that is good by the server's own clock. */
function tokenEndpoint(options: { readonly wrongByMs?: number; readonly sendsDate?: boolean } = {}) {
  const { wrongByMs = 0, sendsDate = true } = options;
  let granted = 0;
  return recordingServer(async ({ form, headers }: Recorded, response) => {
    const ownMs = nowMs() + wrongByMs;
    response.sendDate = false;
    if (sendsDate) response.setHeader("date", new Date(ownMs).toUTCString());
    if (form.grant_type !== "urn:ietf:params:oauth:grant-type:jwt-bearer") throw new Error("another grant");
    const { payload } = await jwtVerify(form.assertion ?? "", publicKey, {
      audience: `http://${headers.host}/token`,
      issuer: EMAIL,
      currentDate: new Date(ownMs),
    }).catch(() => ({ payload: undefined }));
    const { iat = 0, exp = 0 } = payload ?? {};
    const isTimely = iat * 1000 <= ownMs && exp - iat <= 3600;
    if (payload === undefined || !isTimely) {
      const error_description =
        "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.";
      return sendJson(response, 400, { error: "invalid_grant", error_description });
    }
    granted += 1;
    const access_token = `ya29.${granted} ${String(payload.scope)}`.replaceAll(" ", "~");
    return sendJson(response, 200, { access_token, expires_in: 3599, token_type: "Bearer" });
  });
}

describe("getAccessToken() of a service account", () => {
  test("getAccessToken() has a token for the task-queue scope, at the token address of the file, once for all", async () => {
    await using server = await tokenEndpoint();
    writeKey(`${server.origin}/token`);
    await using credentials = openCredentials({ credentialsFile: path });
    const tokens = await Promise.all([1, 2, 3].map(() => credentials.getAccessToken()));
    expect(new Set(tokens)).toEqual(new Set(["ya29.1~https://www.googleapis.com/auth/taskqueue"]));
    const [{ form } = { form: {} as Recorded["form"] }] = server.requests;
    expect(decodeProtectedHeader(form.assertion ?? "")).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(server.requests).toHaveLength(1);
  });

  test("getAccessToken() asks for the scopes that were named, and again for a rejected token", async () => {
    await using server = await tokenEndpoint();
    writeKey(`${server.origin}/token`);
    await using credentials = openCredentials({ credentialsFile: path, scopes: ["one", "two"] });
    const rejected = await credentials.getAccessToken();
    expect(rejected).toBe("ya29.1~one~two");
    expect(await credentials.getAccessToken({ rejected })).toBe("ya29.2~one~two");
    expect(await credentials.describe()).toMatchObject({
      kind: "service_account",
      account: EMAIL,
      scopes: ["one", "two"],
      issuer: server.origin,
    });
  });

  test("getAccessToken() takes a key that replaced the file's while the program runs", async () => {
    await using server = await tokenEndpoint();
    const { privateKey: unknown } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeKey(`${server.origin}/token`, unknown);
    await using credentials = openCredentials({ credentialsFile: path });
    await expect(credentials.getAccessToken()).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining(EMAIL),
    });
    writeKey(`${server.origin}/token`);
    expect(await credentials.getAccessToken()).toContain("ya29.1");
  });

  test.each([2 * HOUR_MS, -2 * HOUR_MS])(
    "getAccessToken() believes the server's time where ours is wrong by %i ms, and remembers it",
    async (shift) => {
      await using server = await tokenEndpoint();
      writeKey(`${server.origin}/token`);
      const clock = shiftableClock(shift);
      await using credentials = openCredentials({ credentialsFile: path, clock });
      const rejected = await credentials.getAccessToken();
      expect(server.requests).toHaveLength(2);
      expect(await credentials.getAccessToken()).toBe(rejected);
      await credentials.getAccessToken({ rejected });
      expect(server.requests).toHaveLength(3);
      // Somebody sets the clock right: the difference that was remembered is the wrong one now.
      clock.shift(-shift);
      await credentials.refresh();
      expect(server.requests).toHaveLength(5);
    },
  );

  test("getAccessToken() works where the server's clock is some seconds behind ours", async () => {
    await using server = await tokenEndpoint({ wrongByMs: -8_000, sendsDate: false });
    writeKey(`${server.origin}/token`);
    await using credentials = openCredentials({ credentialsFile: path });
    expect(await credentials.getAccessToken()).toContain("ya29.1");
  });

  test("getAccessToken() asks once where a refusal has another reason than time, or the server tells no time", async () => {
    const { privateKey: unknown } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    for (const sendsDate of [true, false]) {
      await using server = await tokenEndpoint({ sendsDate });
      writeKey(`${server.origin}/token`, unknown);
      const clock = shiftableClock(sendsDate ? 0 : 2 * HOUR_MS);
      await using credentials = openCredentials({ credentialsFile: path, clock });
      await expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "refused" });
      expect(server.requests).toHaveLength(1);
    }
  });

  test("getAccessToken() rejects with `closed` when it is closed while the server is asked", async () => {
    const { reach, reached } = awaited();
    await using server = await recordingServer(reach);
    writeKey(`${server.origin}/token`);
    const credentials = openCredentials({ credentialsFile: path });
    const token = expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "closed" });
    await reached;
    await credentials.close();
    await token;
  });

  test.each([
    ["no key", { private_key: "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n" }],
    [
      "a key of another kind",
      {
        private_key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
          format: "pem",
          type: "pkcs8",
        }),
      },
    ],
    [
      "a short key",
      {
        private_key: generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({
          format: "pem",
          type: "pkcs8",
        }),
      },
    ],
  ])("getAccessToken() rejects with `invalid_file` for %s and quotes nothing of it", async (_, changes) => {
    writeKey("http://127.0.0.1:1/token", privateKey, changes);
    const failure = await openCredentials({ credentialsFile: path })
      .getAccessToken()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "invalid_file" });
    expect(String(failure)).not.toContain(String(changes.private_key).split("\n")[1]);
    expect((failure as Error).cause).toBeUndefined();
  });
});

describe("getAccessToken() of a service account for an audience", () => {
  const audience = "https://queue.example.com";

  test("getAccessToken() gives a token that the account signed for the server itself, for half an hour, and asks nobody", async () => {
    writeKey("http://127.0.0.1:1/token");
    await using credentials = openCredentials({ credentialsFile: path, audience });
    const token = await credentials.getAccessToken();
    const { payload, protectedHeader } = await jwtVerify(token, publicKey, { audience, issuer: EMAIL });
    expect(protectedHeader).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(payload).toEqual({
      iss: EMAIL,
      sub: EMAIL,
      aud: audience,
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 1800,
    });
    expect(await credentials.getAccessToken()).toBe(token);
    expect(await credentials.describe()).toMatchObject({ audience, scopes: undefined });
  });

  test("getAccessToken() narrows such a token to scopes that were named", async () => {
    writeKey("http://127.0.0.1:1/token");
    await using credentials = openCredentials({ credentialsFile: path, audience, scopes: ["one", "two"] });
    expect(decodeJwt(await credentials.getAccessToken())).toMatchObject({ scope: "one two" });
  });

  test.each([2 * HOUR_MS, -2 * HOUR_MS])(
    "getAccessToken() dates a token by the server's time after a refusal where ours is wrong by %i ms",
    async (shift) => {
      await using server = await recordingServer((_, response) => void response.writeHead(401).end());
      writeKey("http://127.0.0.1:1/token");
      const clock = shiftableClock(shift);
      const options = { credentialsFile: path, audience: server.origin, clock };
      await using credentials = openCredentials(options);
      const rejected = await credentials.getAccessToken();
      expect(server.requests).toEqual([]);
      const token = await credentials.getAccessToken({ rejected });
      expect(Math.abs((decodeJwt(token).iat ?? 0) * 1000 - nowMs())).toBeLessThan(5_000);
      expect(server.requests).toMatchObject([{ method: "HEAD", body: "" }]);
      expect(server.requests[0]?.headers.authorization).toBeUndefined();
      expect(await credentials.getAccessToken()).toBe(token);
    },
  );

  test("getAccessToken() asks nobody for the time whom somebody on the way could answer for", async () => {
    await using server = await recordingServer((_, response) => void response.end());
    writeKey("http://127.0.0.1:1/token");
    const clock = shiftableClock(2 * HOUR_MS);
    // It leads to our server, and does not look like this machine.
    const elsewhere = server.origin.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for (const other of [elsewhere, "no address at all", "http://127.0.0.1:1"]) {
      await using credentials = openCredentials({ credentialsFile: path, audience: other, clock });
      const rejected = await credentials.getAccessToken();
      expect(decodeJwt(await credentials.getAccessToken({ rejected })).aud).toBe(other);
    }
    expect(server.requests).toEqual([]);
  });
});
