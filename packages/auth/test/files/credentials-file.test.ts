import { readFileSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { isAuthError } from "../../src/errors.js";
import { assertReplaceable, parseCredentials, readCredentials } from "../../src/files/credentials-file.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import { GOOGLE_TOKEN_URI } from "../../src/stored-credentials.js";
import { OLDEST_OAUTH2CLIENT, refusal, sampleUser } from "../support/sample-credentials.js";

const folder = temporaryFolder();
const path = folder.file("credentials.json");
afterAll(() => folder[Symbol.dispose]());

const PEM = "-----BEGIN PRIVATE KEY-----\nMIIhidden\n-----END PRIVATE KEY-----\n";
const KEY = { type: "service_account", client_email: "robot@x.example", private_key: PEM } as const;
const USER = { client_id: "c", client_secret: "s", refresh_token: "r" } as const;

const EXTERNAL = {
  type: "external_account",
  audience: "//iam.googleapis.com/projects/1",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  token_url: "https://sts.googleapis.com/v1/token",
  credential_source: { file: "/run/token" },
} as const;

const parse = (fields: Readonly<Record<string, unknown>>) => parseCredentials(fields, "file.json");

describe("parseCredentials()", () => {
  test("takes authorized_user, with Google's token endpoint where it names none", () => {
    expect(parse({ type: "authorized_user", ...USER })).toMatchObject({
      ...{ kind: "user", format: "authorized_user", clientId: "c", clientSecret: "s", refreshToken: "r" },
      ...{ tokenUri: GOOGLE_TOKEN_URI, revokeUri: "https://oauth2.googleapis.com/revoke" },
      ...{ accessToken: undefined, expiresAtMs: undefined, scopes: undefined, isInvalid: false },
    });
  });

  test("honours the token endpoint that a file names", () => {
    const ours = { type: "authorized_user", ...USER, token_uri: "https://auth.example/token" };
    expect(parse(ours)).toMatchObject({ tokenUri: "https://auth.example/token", revokeUri: undefined });
  });

  test("takes what Google's Python library gives as JSON, which says nothing of its type", () => {
    const json = { ...USER, token: "t", token_uri: GOOGLE_TOKEN_URI, expiry: "2040-05-01T12:34:56.789012Z" };
    expect(parse({ ...json, scopes: ["a", "b"] })).toMatchObject({
      ...{ kind: "user", format: "authorized_user", accessToken: "t", scopes: ["a", "b"] },
      expiresAtMs: Date.UTC(2040, 4, 1, 12, 34, 56, 789),
    });
  });

  test("takes a public client, whose secret is empty or missing", () => {
    expect(parse({ type: "authorized_user", ...USER, client_secret: "" })).toMatchObject({
      clientSecret: undefined,
    });
  });

  test("takes the newer token where a program changed only one library's fields", () => {
    const both = JSON.parse(encodeUser(sampleUser()));
    const later = { ...both, token: "by-google", expiry: "2041-01-01T00:00:00Z" };
    expect(parse(later)).toMatchObject({ accessToken: "by-google", expiresAtMs: Date.UTC(2041, 0, 1) });
    const earlier = { ...both, token: "by-google", expiry: "2039-01-01T00:00:00Z" };
    expect(parse(earlier)).toMatchObject({ accessToken: "access-1" });
  });

  test("takes the key of a service account, also one whose line ends went through a shell", () => {
    const key = { kind: "service_account", clientEmail: "robot@x.example", privateKey: PEM };
    expect(parse({ ...KEY, private_key_id: "k" })).toEqual({
      ...key,
      privateKeyId: "k",
      tokenUri: GOOGLE_TOKEN_URI,
    });
    expect(parse({ ...KEY, private_key: PEM.replaceAll("\n", "\\n") })).toMatchObject(key);
    expect(parse({ ...KEY, type: undefined, token_uri: "https://auth.example/token" })).toMatchObject({
      tokenUri: "https://auth.example/token",
    });
  });

  test("takes what google-auth-library alone understands as it is", () => {
    expect(parse(EXTERNAL)).toEqual({ kind: "external_account", fields: EXTERNAL });
    const person = {
      ...{ type: "external_account_authorized_user", audience: "a", ...USER },
      token_url: "https://sts.googleapis.com/v1/oauthtoken",
    };
    expect(parse(person)).toMatchObject({ kind: "external_account_authorized_user" });
    const other = {
      type: "impersonated_service_account",
      service_account_impersonation_url: "https://iamcredentials.googleapis.com/v1/x:generateAccessToken",
      source_credentials: { type: "authorized_user", ...USER },
    };
    expect(parse(other)).toMatchObject({ kind: "impersonated_service_account" });
  });

  test("takes a bare access token, and its end by either library's name", () => {
    const bare = { kind: "access_token", accessToken: "t" };
    expect(parse({ access_token: "t" })).toEqual({ ...bare, expiresAtMs: undefined });
    expect(parse({ access_token: "t", expiry_date: 5000 })).toEqual({ ...bare, expiresAtMs: 5000 });
    expect(parse({ access_token: "t", expires_at: 5 })).toEqual({ ...bare, expiresAtMs: 5000 });
    expect(parse({ access_token: "t", expiry: "1970-01-01T00:00:05" })).toEqual({
      ...bare,
      expiresAtMs: 5000,
    });
  });

  test.each([
    ["client secrets", { installed: {} }, /installed application.*`pullqueue auth login/],
    ["a web client's secrets", { web: {} }, /web application/],
    ["Distributed Cloud's key", { type: "gdch_service_account" }, /Distributed Cloud/],
    ["another type", { type: "hidden" }, /kind that is not known/],
    ["a type that is no text", { type: { hidden: 1 }, access_token: "t" }, /an access token/],
    ["public keys", { keys: [{ hidden: "x" }] }, /JWKS/],
    ["an empty object", {}, /kind that is not known/],
    ["nothing to sign in with", { type: "authorized_user", client_id: "hidden" }, /neither a refresh token/],
    ["no client", { type: "authorized_user", refresh_token: "hidden" }, /"client_id" is missing/],
    ["no key", { ...KEY, private_key: undefined }, /"private_key" is missing/],
    ["a damaged key", { ...KEY, private_key: "hidden" }, /not a key in PEM form/],
    ["a public key", { ...KEY, private_key: "-----BEGIN PUBLIC KEY-----\nhidden" }, /not a key in PEM form/],
    ["no account", { ...KEY, client_email: 1 }, /"client_email" is not a text/],
    ["no source", { ...EXTERNAL, credential_source: "hidden" }, /"credential_source" is missing/],
    ["no exchange", { ...EXTERNAL, token_url: "" }, /"token_url" is empty/],
    ["a wrong endpoint", { type: "authorized_user", ...USER, token_uri: "hidden" }, /must be an https URL/],
  ])("refuses %s with a sentence", async (_, fields, message) => {
    const refused = await refusal(() => parse(fields));
    expect(refused.code).toBe("invalid_file");
    expect(refused.message).toMatch(message);
    expect(refused.message).not.toContain("hidden");
  });

  test("throws nothing but an AuthError, and quotes nothing, whatever the JSON holds", () => {
    const names = [
      ...[
        "type",
        "_class",
        "_module",
        "client_id",
        "client_secret",
        "refresh_token",
        "access_token",
        "token",
      ],
      ...[
        "expiry",
        "token_expiry",
        "token_uri",
        "scopes",
        "id_token",
        "id_token_jwt",
        "invalid",
        "installed",
      ],
      ...["private_key", "client_email", "_private_key_pkcs8_pem", "kwargs", "file_version", "data"],
      ...["credentials", "credential_source", "audience", "token_url", "revoke_uri", "__proto__"],
    ];
    const types = ["authorized_user", "service_account", "external_account", "OAuth2Credentials", 1, 2];
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...types, "ServiceAccountCredentials") },
      { weight: 3, arbitrary: fc.string({ minLength: 6 }).map((text) => `SECRET${text}`) },
      { weight: 1, arbitrary: fc.jsonValue() },
      { weight: 1, arbitrary: fc.array(fc.record({ credential: fc.constant({ access_token: "SECRET" }) })) },
    );
    const fields = fc
      .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 })
      .map((entries) => Object.fromEntries(entries));
    fc.assert(
      fc.property(fields, (json) => {
        try {
          parse(json);
        } catch (error) {
          expect(isAuthError(error, "invalid_file")).toBe(true);
          expect(String(error)).not.toContain("SECRET");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("readCredentials()", () => {
  test("reads a file", async () => {
    writeFileSync(path, encodeUser(sampleUser()));
    expect(await readCredentials(path)).toMatchObject({ kind: "user", format: "pullqueue" });
  });
});

describe("assertReplaceable()", () => {
  const attempt = (text: string) => {
    writeFileSync(path, text);
    return assertReplaceable(path);
  };

  test("lets a sign-in replace nothing, an empty file, an older sign-in and a token", async () => {
    await assertReplaceable(folder.file("none.json"));
    await attempt("");
    await attempt(encodeUser(sampleUser()));
    await attempt(JSON.stringify(OLDEST_OAUTH2CLIENT));
    await attempt(JSON.stringify({ type: "authorized_user" }));
    await attempt(JSON.stringify({ access_token: "t" }));
  });

  test("keeps what would be gone for good", async () => {
    for (const json of [KEY, { installed: {} }, { web: {} }, EXTERNAL, { some: "notes" }]) {
      const refused = await refusal(() => attempt(JSON.stringify(json)));
      expect(refused).toMatchObject({
        code: "invalid_file",
        message: expect.stringMatching(/is not overwritten/),
      });
    }
    expect(await refusal(() => attempt("my notes"))).toMatchObject({ code: "invalid_file" });
    expect(readFileSync(path, "utf8")).toBe("my notes");
  });
});
