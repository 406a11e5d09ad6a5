import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { recordingServer } from "../support/recording-server.js";
import { nowMs } from "../support/signed-in-files.js";

/** Application default credentials: which are found, and those of a machine of Google's (a stand-in for its metadata server). */

let folder: ReturnType<typeof temporaryFolder>;

beforeEach(() => {
  folder = temporaryFolder();
  // Nothing is found by chance on the machine that runs this.
  vi.stubEnv("METADATA_SERVER_DETECTION", "none");
});
afterEach(() => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
});

function put(name: string, accessToken: string): string {
  const path = folder.file(name);
  mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  writeFileSync(path, JSON.stringify({ access_token: accessToken }));
  return path;
}

async function found(env: Record<string, string>) {
  await using credentials = openCredentials({ env });
  return { token: await credentials.getAccessToken(), ...(await credentials.describe()) };
}

describe("openCredentials() without a file", () => {
  test("getAccessToken() looks at GOOGLE_APPLICATION_CREDENTIALS, CLOUDSDK_CONFIG, APPDATA and HOME, in this order", async () => {
    const named = put("named.json", "named");
    const small = put("small.json", "small");
    const gcloud = "application_default_credentials.json";
    put(`sdk/${gcloud}`, "sdk");
    put(`appdata/gcloud/${gcloud}`, "appdata");
    put(`home/.config/gcloud/${gcloud}`, "home");
    const env = {
      HOME: folder.file("home"),
      APPDATA: folder.file("appdata"),
      CLOUDSDK_CONFIG: folder.file("sdk"),
      google_application_credentials: small,
      GOOGLE_APPLICATION_CREDENTIALS: named,
    };
    const { GOOGLE_APPLICATION_CREDENTIALS: _1, ...withoutNamed } = env;
    const { google_application_credentials: _2, ...withoutSmall } = withoutNamed;
    const { CLOUDSDK_CONFIG: _3, ...withoutSdk } = withoutSmall;
    expect(await found(env)).toMatchObject({
      token: "named",
      source: `${named} (GOOGLE_APPLICATION_CREDENTIALS)`,
    });
    expect(await found(withoutNamed)).toMatchObject({ token: "small" });
    expect(await found(withoutSmall)).toMatchObject({
      token: "sdk",
      source: `${folder.file(`sdk/${gcloud}`)} (application default credentials)`,
    });
    expect(await found(withoutSdk)).toMatchObject({ token: "appdata" });
    expect(await found({ HOME: env.HOME })).toMatchObject({ token: "home" });
  });

  test("getAccessToken() does not look on where a named file is missing: it would find somebody else's", async () => {
    put("home/.config/gcloud/application_default_credentials.json", "home");
    const env = { HOME: folder.file("home"), GOOGLE_APPLICATION_CREDENTIALS: folder.file("typo.json") };
    await expect(openCredentials({ env }).getAccessToken()).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringMatching(
        /^GOOGLE_APPLICATION_CREDENTIALS: .*typo\.json: there is no such file\. /,
      ),
    });
  });

  test("getAccessToken() does not look on where gcloud's file is there and cannot be looked at", async () => {
    const path = folder.file("application_default_credentials.json");
    symlinkSync(path, path);
    await expect(
      openCredentials({ env: { CLOUDSDK_CONFIG: folder.path } }).getAccessToken(),
    ).rejects.toMatchObject({
      code: "invalid_file",
      message: expect.stringContaining("symbolic links lead in a circle"),
    });
  });

  test("getAccessToken() says of a file that is no good what named it", async () => {
    const env = { google_application_credentials: folder.file("empty.json") };
    writeFileSync(env.google_application_credentials, "");
    await expect(openCredentials({ env }).getAccessToken()).rejects.toMatchObject({
      code: "invalid_file",
      message: expect.stringMatching(/^google_application_credentials: .*empty\.json: expected credentials/),
    });
  });

  test("getAccessToken() says where it looked, and finds what is put there later", async () => {
    const credentials = openCredentials({ env: { HOME: folder.file("home") } });
    await expect(credentials.getAccessToken()).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringMatching(
        /GOOGLE_APPLICATION_CREDENTIALS is not set, there is no ".*\/home\/\.config\/gcloud\/.*", no metadata server/,
      ),
    });
    put("home/.config/gcloud/application_default_credentials.json", "later");
    expect(await credentials.getAccessToken()).toBe("later");
  });

  test("getAccessToken() names gcloud's command for gcloud's file", async () => {
    const path = folder.file("application_default_credentials.json");
    const expired = { access_token: "x", expiry: "2020-01-01T00:00:00Z", client_id: "c", client_secret: "s" };
    writeFileSync(path, JSON.stringify({ type: "authorized_user", token: "x", ...expired }));
    await expect(
      openCredentials({ env: { CLOUDSDK_CONFIG: folder.path } }).getAccessToken(),
    ).rejects.toMatchObject({
      code: "sign_in_needed",
      message: expect.stringContaining("gcloud auth application-default login"),
    });
  });
});

describe("The metadata server", () => {
  const audience = "https://queue.example.com/?a=1&b=2";

  async function metadataServer() {
    let granted = 0;
    const server = await recordingServer(async ({ url, headers }, response) => {
      response.setHeader("metadata-flavor", "Google");
      if (headers["metadata-flavor"] !== "Google") return response.writeHead(403).end();
      const { pathname, searchParams } = new URL(url, "http://metadata");
      const [, account] = pathname.split("/computeMetadata/v1/instance/service-accounts/default/");
      granted += 1;
      if (account === "token") {
        const access_token = `metadata.${granted}.${searchParams.get("scopes") ?? "machine"}`;
        response.setHeader("content-type", "application/json");
        return response.end(JSON.stringify({ access_token, expires_in: 3000, token_type: "Bearer" }));
      }
      if (account === "identity") {
        const token = new SignJWT({})
          .setProtectedHeader({ alg: "HS256" })
          .setIssuedAt()
          .setExpirationTime("1h");
        return response.end(
          await token.setAudience(searchParams.get("audience") ?? "").sign(new Uint8Array(32)),
        );
      }
      if (account === "email") return response.end("machine@my-app.iam.gserviceaccount.com");
      return response.writeHead(pathname.endsWith("/instance") ? 200 : 404).end();
    });
    vi.stubEnv("METADATA_SERVER_DETECTION", "ping-only");
    vi.stubEnv("GCE_METADATA_HOST", new URL(server.origin).host);
    return server;
  }

  test("getAccessToken() has the machine's token where there is no file, and describe() says whose it is", async () => {
    await using _ = await metadataServer();
    await using credentials = openCredentials({ env: {} });
    const first = await credentials.getAccessToken();
    expect(first).toMatch(/^metadata\.\d+\.machine$/);
    expect(await credentials.getAccessToken()).toBe(first);
    expect(await credentials.getAccessToken({ rejected: first })).not.toBe(first);
    const { expiresAtMs = 0, ...summary } = await credentials.describe();
    expect(summary).toMatchObject({
      kind: "metadata_server",
      account: "machine@my-app.iam.gserviceaccount.com",
      refreshable: true,
    });
    expect(Math.abs(expiresAtMs - nowMs() - 3_000_000)).toBeLessThan(60_000);
  });

  test("getAccessToken() asks it for the scopes that were named, and for an ID token where there is an audience", async () => {
    await using _ = await metadataServer();
    await using scoped = openCredentials({ env: {}, scopes: ["one", "two"] });
    expect(await scoped.getAccessToken()).toMatch(/\.one,two$/);
    await using own = openCredentials({ env: {}, audience });
    const claims = (await own.getAccessToken()).split(".")[1] ?? "";
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ aud: audience });
  });

  test("getAccessToken() finds none where nobody answers, and makes no noise about it", async () => {
    await using server = await recordingServer((_, response) => response.destroy());
    vi.stubEnv("METADATA_SERVER_DETECTION", "");
    vi.stubEnv("GCE_METADATA_HOST", new URL(server.origin).host);
    const warn = vi.spyOn(process, "emitWarning");
    await expect(openCredentials({ env: {} }).getAccessToken()).rejects.toMatchObject({ code: "not_found" });
    expect(server.requests).toHaveLength(1);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test("getAccessToken() says so where METADATA_SERVER_DETECTION is mistyped", async () => {
    vi.stubEnv("METADATA_SERVER_DETECTION", "non");
    await expect(openCredentials({ env: {} }).getAccessToken()).rejects.toMatchObject({
      name: "AuthError",
      code: "invalid_argument",
      message: expect.stringMatching(/METADATA_SERVER_DETECTION.*`none`/),
    });
  });

  test("getAccessToken() prefers a file", async () => {
    await using server = await metadataServer();
    expect(await found({ GOOGLE_APPLICATION_CREDENTIALS: put("named.json", "named") })).toMatchObject({
      token: "named",
    });
    expect(server.requests).toEqual([]);
  });
});
