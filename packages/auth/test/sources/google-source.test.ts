import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { decodeJwt, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import { GOOGLE_TIMEOUT_MS } from "../../src/limits.js";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { awaited, recordingServer, sendJson } from "../support/recording-server.js";
import { nowMs, userOf } from "../support/signed-in-files.js";

/** What google-auth-library has, at stand-ins for Google's servers. */

const STS = "/v1/token";
const AUDIENCE = "https://queue.example.com";
const PRINCIPAL = "worker@my-app.iam.gserviceaccount.com";
const IAM = `/v1/projects/-/serviceAccounts/${PRINCIPAL}`;
const SUBJECT_TOKEN = "subject-token-of-another-cloud";

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
});
afterEach(() => folder[Symbol.dispose]());

async function idToken(audience: string): Promise<string> {
  return new SignJWT({ email: PRINCIPAL })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new Uint8Array(32));
}

/** The token exchange (RFC 8693) and IAM's credentials API, as far as they are used. */
function googleServer() {
  let granted = 0;
  return recordingServer(async ({ url, form, headers, body }, response) => {
    granted += 1;
    if (url === STS && form.grant_type === "refresh_token") {
      return sendJson(response, 200, {
        access_token: `user.${granted}`,
        expires_in: 3600,
        refresh_token: `r${granted}`,
      });
    }
    if (url === STS) {
      const isRight =
        form.grant_type === "urn:ietf:params:oauth:grant-type:token-exchange" &&
        form.requested_token_type === "urn:ietf:params:oauth:token-type:access_token" &&
        form.subject_token === SUBJECT_TOKEN &&
        form.subject_token_type === "urn:ietf:params:oauth:token-type:jwt" &&
        form.audience ===
          "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
      if (!isRight) return sendJson(response, 400, { error: "invalid_request" });
      const access_token = `sts.${granted}.${form.scope?.split("/").at(-1)}`;
      return sendJson(response, 200, { access_token, expires_in: 3600, token_type: "Bearer" });
    }
    const bearer = headers.authorization?.replace("Bearer ", "");
    if (url === `${IAM}:generateAccessToken`) {
      const { scope } = JSON.parse(body) as { scope: string[] };
      const accessToken = `iam.${granted}.${scope.map((one) => one.split("/").at(-1)).join()}.by.${bearer}`;
      return sendJson(response, 200, {
        accessToken,
        expireTime: new Date(nowMs() + 3_600_000).toISOString(),
      });
    }
    if (url === `${IAM}:generateIdToken`) {
      return sendJson(response, 200, { token: await idToken(JSON.parse(body).audience) });
    }
    return sendJson(response, 404, {});
  });
}

function external(origin: string, changes: object = {}): object {
  writeFileSync(folder.file("subject"), SUBJECT_TOKEN);
  return {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${origin}${STS}`,
    credential_source: { file: folder.file("subject") },
    ...changes,
  };
}

function impersonating(origin: string, source: object): object {
  return {
    type: "impersonated_service_account",
    service_account_impersonation_url: `${origin}${IAM}:generateAccessToken`,
    source_credentials: source,
  };
}

function open(fields: object, options: object = {}) {
  writeFileSync(path, JSON.stringify(fields));
  return openCredentials({ credentialsFile: path, ...options });
}

describe("getAccessToken() of an external account", () => {
  test("getAccessToken() exchanges the token of the other cloud, holds what it got, and has another for a rejected one", async () => {
    await using google = await googleServer();
    await using credentials = open(external(google.origin));
    const first = await credentials.getAccessToken();
    expect(first).toBe("sts.1.taskqueue");
    expect(await credentials.getAccessToken()).toBe(first);
    expect(google.requests).toHaveLength(1);
    expect(await credentials.getAccessToken({ rejected: first })).toBe("sts.2.taskqueue");
    const { expiresAtMs = 0, ...summary } = await credentials.describe();
    expect(summary).toMatchObject({ kind: "external_account", issuer: google.origin, refreshable: true });
    expect(Math.abs(expiresAtMs - nowMs() - 3_600_000)).toBeLessThan(60_000);
  });

  test("getAccessToken() impersonates the service account that the file names", async () => {
    await using google = await googleServer();
    const url = `${google.origin}${IAM}:generateAccessToken`;
    await using credentials = open(external(google.origin, { service_account_impersonation_url: url }));
    expect(await credentials.getAccessToken()).toBe("iam.2.taskqueue.by.sts.1.cloud-platform");
    expect(await credentials.describe()).toMatchObject({ account: PRINCIPAL });
  });

  test("getAccessToken() gives an ID token of that account for an audience", async () => {
    await using google = await googleServer();
    const url = `${google.origin}${IAM}:generateAccessToken`;
    await using credentials = open(external(google.origin, { service_account_impersonation_url: url }), {
      audience: AUDIENCE,
    });
    const token = await credentials.getAccessToken();
    expect(decodeJwt(token)).toMatchObject({ aud: AUDIENCE, email: PRINCIPAL });
    expect(await credentials.getAccessToken()).toBe(token);
  });

  test("getAccessToken() has no token for an audience where no service account is impersonated", async () => {
    for (const fields of [
      external("https://sts.example.com"),
      {
        ...external("https://sts.example.com"),
        type: "external_account_authorized_user",
        client_id: "c",
        client_secret: "s",
        refresh_token: "r",
      },
    ]) {
      await expect(open(fields, { audience: AUDIENCE }).getAccessToken()).rejects.toMatchObject({
        code: "not_supported",
        message: expect.stringContaining(AUDIENCE),
      });
    }
  });

  test("getAccessToken() goes on with a replaced refresh token of an external person, and warns once", async () => {
    await using google = await googleServer();
    const warnings: string[] = [];
    await using credentials = open(
      {
        type: "external_account_authorized_user",
        client_id: "client",
        client_secret: "client's secret",
        refresh_token: "r0",
        token_url: `${google.origin}${STS}`,
      },
      { onWarning: (message: string) => warnings.push(message) },
    );
    const first = await credentials.getAccessToken();
    await credentials.getAccessToken({ rejected: first });
    expect(google.requests.map(({ form }) => form.refresh_token)).toEqual(["r0", "r1"]);
    expect(warnings).toHaveLength(1);
    expect((await credentials.describe()).expiresAtMs).toBeGreaterThan(nowMs());
  });
});

describe("getAccessToken() of an impersonated service account", () => {
  test("getAccessToken() has the token made by a person's sign-in, at the token address of the file", async () => {
    await using google = await googleServer();
    await using provider = await startOAuthProvider();
    const { clientId, clientSecret, refreshToken, tokenUri } = userOf(provider, await provider.signIn());
    await using credentials = open(
      impersonating(google.origin, {
        type: "authorized_user",
        client_id: clientId,
        client_secret: clientSecret,
        refresh_token: refreshToken,
        token_uri: tokenUri,
      }),
    );
    const token = await credentials.getAccessToken();
    expect(token).toMatch(/^iam\.1\.taskqueue\.by\./);
    expect(await provider.introspect(token.split(".by.")[1]!)).toMatchObject({ active: true });
  });

  test("getAccessToken() has an ID token made by a service account's key, which asks for cloud-platform", async () => {
    await using google = await googleServer();
    await using tokens = await recordingServer((_, response) =>
      sendJson(response, 200, { access_token: "of-the-key", expires_in: 3600 }),
    );
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const source = {
      type: "service_account",
      client_email: "other@my-app.iam.gserviceaccount.com",
      private_key: privateKey.export({ format: "pem", type: "pkcs8" }),
      token_uri: `${tokens.origin}/token`,
    };
    await using credentials = open(impersonating(google.origin, source), { audience: AUDIENCE });
    expect(decodeJwt(await credentials.getAccessToken()).aud).toBe(AUDIENCE);
    expect(google.requests[0]?.headers.authorization).toBe("Bearer of-the-key");
    expect(decodeJwt(tokens.requests[0]?.form.assertion ?? "").scope).toBe(
      "https://www.googleapis.com/auth/cloud-platform",
    );
  });

  test("getAccessToken() has the token made by an external account", async () => {
    await using google = await googleServer();
    await using credentials = open(impersonating(google.origin, external(google.origin)));
    expect(await credentials.getAccessToken()).toBe("iam.2.taskqueue.by.sts.1.cloud-platform");
  });

  test("getAccessToken() rejects with what is wrong with the sign-in within", async () => {
    await using google = await googleServer();
    await using provider = await startOAuthProvider();
    const source = {
      type: "authorized_user",
      client_id: "desktop",
      client_secret: provider.secretOf("desktop"),
      refresh_token: "unknown",
      token_uri: provider.tokenUrl,
    };
    await expect(open(impersonating(google.origin, source)).getAccessToken()).rejects.toMatchObject({
      code: "sign_in_needed",
      message: expect.stringContaining("source_credentials"),
    });
    expect(google.requests).toEqual([]);
  });
});

describe("What google-auth-library is kept from", () => {
  const elsewhere = "http://sts.example.com";
  test.each([
    ["token_url", { token_url: `${elsewhere}/token` }],
    [
      "service_account_impersonation_url",
      { service_account_impersonation_url: `${elsewhere}${IAM}:generateAccessToken` },
    ],
    ["url", { credential_source: { url: `${elsewhere}/subject` } }],
    ["region_url", { credential_source: { environment_id: "aws1", region_url: elsewhere } }],
    // The library takes these as well.
    [
      "serviceAccountImpersonationUrl",
      { serviceAccountImpersonationUrl: `${elsewhere}${IAM}:generateAccessToken` },
    ],
    ["regionUrl", { credential_source: { environment_id: "aws1", regionUrl: elsewhere } }],
  ])("getAccessToken() refuses a %s that is neither https nor on this machine", async (key, changes) => {
    await expect(open(external("https://sts.example.com", changes)).getAccessToken()).rejects.toMatchObject({
      code: "not_permitted",
      message: expect.stringContaining(`has a ${key} at ${elsewhere}:`),
    });
  });

  test("getAccessToken() sends no secret to the address of a metadata server, where it fetches them", async () => {
    const fields = external("http://169.254.169.254");
    await expect(open(fields).getAccessToken()).rejects.toMatchObject({
      code: "not_permitted",
      message: expect.stringContaining("has a token_url at http://169.254.169.254:"),
    });
  });

  test("getAccessToken() refuses such an address within source_credentials, and what is no address", async () => {
    const within = impersonating("https://iam.example.com", external(elsewhere));
    await expect(open(within).getAccessToken()).rejects.toMatchObject({ code: "not_permitted" });
    const none = external("https://sts.example.com", { credential_source: { url: "subject" } });
    await expect(open(none).getAccessToken()).rejects.toMatchObject({ code: "invalid_file" });
  });

  test.each(["refused", "passing"])(
    "getAccessToken() says what a server answered (%s), and no secret",
    async (kind) => {
      await using google = await recordingServer(({ form }, response) => {
        const error_description = `the token ${form.subject_token} is not good`;
        sendJson(response, kind === "refused" ? 400 : 503, { error: "invalid_target", error_description });
      });
      await using credentials = open(external(google.origin));
      const failure: Error = await credentials.getAccessToken().catch((error) => error);
      expect(failure).toMatchObject({
        name: "AuthError",
        code: kind === "refused" ? "refused" : "unavailable",
      });
      expect(failure.message).toContain("invalid_target: the token … is not good");
      expect(failure.cause).toBeUndefined();
    },
  );

  test.each([
    ["an external account", (origin: string) => external(origin, { client_id: "c", client_secret: "s" })],
    [
      "a person of an external account",
      (origin: string) => ({
        ...{ type: "external_account_authorized_user", audience: "//iam", token_url: `${origin}${STS}` },
        ...{ client_id: "c", client_secret: "s", refresh_token: "r" },
      }),
    ],
    ["an impersonation", (origin: string) => impersonating(origin, { access_token: "of-the-source" })],
    [
      "an impersonation by an external account",
      (origin: string) => impersonating(origin, external(origin) as object),
    ],
  ])("getAccessToken() of %s follows no redirect: it would carry the secrets on", async (_, fields) => {
    await using elsewhere = await recordingServer((_request, response) => sendJson(response, 200, {}));
    await using google = await recordingServer((_request, response) => {
      response.writeHead(307, { location: elsewhere.origin }).end();
    });
    await using credentials = open(fields(google.origin));
    await expect(credentials.getAccessToken()).rejects.toMatchObject({ name: "AuthError" });
    expect(google.requests).not.toEqual([]);
    expect(elsewhere.requests).toEqual([]);
  });

  test("getAccessToken() rejects with `invalid_file` where the other cloud's token is not there or not what it should be", async () => {
    const missing = external("https://sts.example.com", { credential_source: { file: folder.file("none") } });
    await expect(open(missing).getAccessToken()).rejects.toMatchObject({
      code: "invalid_file",
      message: expect.stringContaining("names a file that cannot be read (ENOENT)"),
    });
    const source = { file: folder.file("subject"), format: { type: "json", subject_token_field_name: "t" } };
    const credentials = open(external("https://sts.example.com", { credential_source: source }));
    // Too short to be taken for a token by its look, and quoted by JSON.parse.
    writeFileSync(folder.file("subject"), "hunter2");
    const failure = await credentials.getAccessToken().catch((error) => error);
    expect(failure).toMatchObject({ code: "invalid_file", message: expect.stringContaining("is not JSON") });
    expect(String(failure)).not.toContain("hunter2");
  });

  test("getAccessToken() rejects with `unavailable` where nobody listens", async () => {
    await expect(open(external("http://127.0.0.1:1")).getAccessToken()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("getAccessToken() leaves the library behind after an abort, at the end of its time and when it is closed", async () => {
    const { reach, reached } = awaited();
    await using google = await recordingServer(reach);
    const late: (() => void)[] = [];
    const clock: Clock = {
      nowUs: () => systemClock.nowUs(),
      timer: (delayMs, callback) => {
        if (delayMs === GOOGLE_TIMEOUT_MS) late.push(callback);
        return () => {};
      },
    };
    const credentials = open(external(google.origin), { clock });
    const leaving = new AbortController();
    const left = credentials.getAccessToken({ signal: leaving.signal });
    const stayed = expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "timeout" });
    await reached;
    leaving.abort(new Error("no interest"));
    await expect(left).rejects.toThrow("no interest");
    for (const end of late) end();
    await stayed;
    const closed = expect(credentials.getAccessToken()).rejects.toMatchObject({ code: "closed" });
    await credentials.close();
    await closed;
  });
});
