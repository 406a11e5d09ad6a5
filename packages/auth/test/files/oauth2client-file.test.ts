import { describe, expect, test } from "vitest";
import { parseCredentials } from "../../src/files/credentials-file.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import type { UserCredentials } from "../../src/stored-credentials.js";
import { idToken, OLDEST_OAUTH2CLIENT, refusal } from "../support/sample-credentials.js";

const PEM = "-----BEGIN PRIVATE KEY-----\nMIIhidden\n-----END PRIVATE KEY-----\n";

const NEWEST = {
  ...OLDEST_OAUTH2CLIENT,
  access_token: "access-new",
  token_uri: "https://oauth2.googleapis.com/token",
  revoke_uri: "https://oauth2.googleapis.com/revoke",
  token_info_uri: "https://oauth2.googleapis.com/tokeninfo",
  token_response: { access_token: "access-new", token_type: "Bearer", expires_in: 3600, team: "blue" },
  id_token: { email: "ada@example.com" },
  id_token_jwt: idToken({ email: "ada@example.com" }),
  scopes: ["https://www.googleapis.com/auth/taskqueue"],
  written_by: "a subclass",
} as const;

const SERVICE_ACCOUNT = {
  _class: "ServiceAccountCredentials",
  _module: "oauth2client.service_account",
  _service_account_email: "robot@x.example",
  _private_key_pkcs8_pem: PEM,
  _private_key_id: "k",
  _scopes: "https://www.googleapis.com/auth/taskqueue",
  _kwargs: {},
  token_uri: "https://oauth2.googleapis.com/token",
  access_token: null,
  client_id: "1234",
  invalid: false,
} as const;

const parse = (fields: Readonly<Record<string, unknown>>) => parseCredentials(fields, "credentials");

function user(fields: Readonly<Record<string, unknown>>): UserCredentials {
  const credentials = parse(fields);
  if (credentials.kind !== "user") throw new Error(`expected a user, got ${credentials.kind}`);
  return credentials;
}

describe("parseCredentials() of oauth2client's Storage", () => {
  test("reads a file of 2012, which lacks what came later", () => {
    expect(parse(OLDEST_OAUTH2CLIENT)).toEqual({
      ...{ kind: "user", format: "oauth2client", clientId: "client-old", clientSecret: "secret-old" },
      ...{ refreshToken: "refresh-old", accessToken: "access-old", scopes: undefined, idToken: undefined },
      expiresAtMs: Date.UTC(2012, 4, 1, 12, 34, 56),
      tokenUri: "https://accounts.google.com/o/oauth2/token",
      revokeUri: "https://oauth2.googleapis.com/revoke",
      isInvalid: false,
      fields: OLDEST_OAUTH2CLIENT,
    });
  });

  test("reads a file of the last version, of 2017", () => {
    expect(parse(NEWEST)).toMatchObject({
      ...{ kind: "user", format: "oauth2client", accessToken: "access-new", idToken: NEWEST.id_token_jwt },
      scopes: ["https://www.googleapis.com/auth/taskqueue"],
    });
  });

  test.each([
    ["OAuth2Credentials", "apiclient.oauth2client.client"],
    ["OAuth2Credentials", "oauth2client.googleapiclient.client"],
    ["GoogleCredentials", "oauth2client.client"],
    ["FlowThreeLOCredentials", "shop.credentials"],
  ])("reads class %s of module %s, and keeps both names when it is written anew", (_class, _module) => {
    const read = user({ ...OLDEST_OAUTH2CLIENT, _class, _module });
    expect(read).toMatchObject({ format: "oauth2client", refreshToken: "refresh-old" });
    expect(JSON.parse(encodeUser(read))).toMatchObject({ _class, _module });
  });

  test("sees that a refresh token was refused, and that there is none", () => {
    expect(parse({ ...OLDEST_OAUTH2CLIENT, invalid: true })).toMatchObject({ isInvalid: true });
    expect(parse({ ...OLDEST_OAUTH2CLIENT, refresh_token: null })).toMatchObject({ refreshToken: undefined });
  });

  test("reads a token without an end, and one whose end is no time", () => {
    for (const token_expiry of [null, "soon", undefined]) {
      expect(parse({ ...OLDEST_OAUTH2CLIENT, token_expiry })).toMatchObject({ expiresAtMs: undefined });
    }
  });

  test("reads AccessTokenCredentials as a token that nothing renews", () => {
    const fields = {
      ...{ _class: "AccessTokenCredentials", _module: "oauth2client.client", access_token: "bare" },
      ...{ client_id: null, client_secret: null, refresh_token: null, token_uri: null, token_expiry: null },
    };
    expect(parse(fields)).toEqual({ kind: "access_token", accessToken: "bare", expiresAtMs: undefined });
  });

  test("reads the keys of service accounts in each form that was stored", () => {
    const key = {
      ...{ kind: "service_account", clientEmail: "robot@x.example", privateKey: PEM, privateKeyId: "k" },
      tokenUri: "https://oauth2.googleapis.com/token",
    };
    expect(parse(SERVICE_ACCOUNT)).toEqual(key);
    expect(parse({ ...SERVICE_ACCOUNT, _class: "_JWTAccessCredentials" })).toEqual(key);
    const { _private_key_pkcs8_pem: _, ...rest } = SERVICE_ACCOUNT;
    const older = { ...rest, _class: "_ServiceAccountCredentials", _private_key_pkcs8_text: PEM };
    expect(parse(older)).toEqual(key);
    const oldest = {
      ...{ _class: "SignedJwtAssertionCredentials", _module: "oauth2client.client", kwargs: {} },
      private_key: Buffer.from(PEM).toString("base64"),
      service_account_name: "robot@x.example",
    };
    expect(parse(oldest)).toMatchObject({ clientEmail: "robot@x.example", privateKey: PEM });
  });

  test.each([
    [
      "a PKCS#12 key",
      { ...SERVICE_ACCOUNT, _private_key_pkcs8_pem: null, _private_key_pkcs12: "aGlkZGVu" },
      /PKCS#12.*download a JSON key/,
    ],
    [
      "the oldest PKCS#12 key",
      {
        _class: "SignedJwtAssertionCredentials",
        _module: "oauth2client.client",
        private_key: "MIIhidden",
      },
      /PKCS#12.*download a JSON key/,
    ],
    [
      "an account that acts for a person",
      { ...SERVICE_ACCOUNT, _kwargs: { sub: "hidden@x.example" } },
      /acts for a person/,
    ],
    [
      "a machine's account",
      { _class: "AppAssertionCredentials", _module: "oauth2client.gce" },
      /account of the machine.*leave the file out/,
    ],
    [
      "a class of somebody's own without a person's fields",
      { _class: "hidden", _module: "hidden" },
      /neither a refresh token nor an access token/,
    ],
  ])("refuses %s with a sentence", async (_, fields, message) => {
    const refused = await refusal(() => parse(fields));
    expect(refused.code).toBe("invalid_file");
    expect(refused.message).toMatch(message);
    expect(refused.message).not.toContain("hidden");
  });
});

describe("a file of several credentials", () => {
  const entry = (credential: object) => ({ key: { clientId: "client-old", scope: "s" }, credential });
  const first = { file_version: 1, data: [entry(OLDEST_OAUTH2CLIENT)] };
  const base64 = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64");
  const second = { file_version: 2, credentials: { mine: base64(OLDEST_OAUTH2CLIENT) } };

  test.each([
    ["multistore_file", first],
    ["multiprocess_file_storage", second],
  ])("is read where it holds one, and written in the same shell: %s", (_, file) => {
    const read = user(file);
    expect(read).toMatchObject({ format: "oauth2client", refreshToken: "refresh-old" });
    const written = JSON.parse(encodeUser({ ...read, accessToken: "access-2" }));
    expect(Object.keys(written)).toEqual(Object.keys(file));
    expect(written.data?.[0].key ?? Object.keys(written.credentials)).toEqual(
      written.data === undefined ? ["mine"] : entry({}).key,
    );
    const again = user(written);
    expect(again).toMatchObject({ accessToken: "access-2", refreshToken: "refresh-old" });
  });

  test.each([
    ["two", { file_version: 1, data: [entry({ a: 1 }), entry({ b: 1 })] }, /holds 2/],
    ["none", { file_version: 1, data: [] }, /holds 0/],
    ["two of version 2", { file_version: 2, credentials: { a: base64({}), b: base64({}) } }, /holds 2/],
    ["another such file", { file_version: 1, data: [entry(first)] }, /expected one credential/],
    ["a version that nobody made", { file_version: 3 }, /several credentials/],
  ])("is refused where it holds %s", async (_, file, message) => {
    expect((await refusal(() => parse(file))).message).toMatch(message);
  });
});
