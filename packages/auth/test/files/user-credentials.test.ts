import fc from "fast-check";
import { GoogleAuth } from "google-auth-library";
import { describe, expect, test } from "vitest";
import { parseCredentials } from "../../src/files/credentials-file.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import { idToken, OLDEST_OAUTH2CLIENT, refusal, sampleUser } from "../support/sample-credentials.js";

const written = (...parameters: Parameters<typeof sampleUser>) =>
  JSON.parse(encodeUser(sampleUser(...parameters)));

describe("encodeUser()", () => {
  test("writes one object with the fields of both libraries", () => {
    expect(written()).toEqual({
      ...{ type: "authorized_user", client_id: "client-1", client_secret: "secret-1" },
      ...{ refresh_token: "refresh-1", token: "access-1", expiry: "2040-05-01T12:34:56Z" },
      token_uri: "https://auth.example/token",
      scopes: ["openid", "https://www.googleapis.com/auth/taskqueue"],
      account: "ada@example.com",
      ...{ _class: "OAuth2Credentials", _module: "oauth2client.client", access_token: "access-1" },
      ...{ token_expiry: "2040-05-01T12:34:56Z", user_agent: null, invalid: false, token_response: null },
      revoke_uri: "https://auth.example/revoke",
      id_token: { email: "ada@example.com", sub: "1" },
      id_token_jwt: idToken({ email: "ada@example.com", sub: "1" }),
      token_info_uri: null,
    });
  });

  test("writes an empty secret for a public client, because Python wants the key to be there", () => {
    expect(written({ clientSecret: undefined }).client_secret).toBe("");
  });

  test("rounds the end of a token down, and holds it within the years that Python reads", () => {
    expect(written({ expiresAtMs: 1999 }).expiry).toBe("1970-01-01T00:00:01Z");
    expect(written({ expiresAtMs: Number.POSITIVE_INFINITY }).expiry).toBe("9999-12-31T23:59:59Z");
    expect(written({ expiresAtMs: -1 }).expiry).toBe("1970-01-01T00:00:00Z");
    expect(written({ expiresAtMs: Number.NaN }).expiry).toBe("1970-01-01T00:00:00Z");
    expect(written({ expiresAtMs: undefined }).token_expiry).toBeNull();
  });

  test("keeps fields that it does not know, and drops the answer that an earlier token came with", () => {
    const fields = {
      ...OLDEST_OAUTH2CLIENT,
      ...{ quota_project_id: "p", universe_domain: "googleapis.com", mine: { a: [1] } },
      token_response: { access_token: "access-old", team: "blue" },
    };
    const kept = { quota_project_id: "p", universe_domain: "googleapis.com", mine: { a: [1] } };
    expect(written({ fields })).toMatchObject({
      ...kept,
      user_agent: "pull-queue/1.0",
      token_response: null,
    });
    expect(written({ fields, accessToken: "access-old" })).toMatchObject({
      token_response: { team: "blue" },
    });
  });

  test("keeps saying whose credentials they are when a renewal brings no ID token", () => {
    const fields = { account: "ada@example.com", id_token: { email: "ada@example.com" } };
    expect(written({ fields, idToken: undefined })).toMatchObject({ ...fields, id_token_jwt: null });
    expect(written({ fields: {}, idToken: "not.a.jwt" })).toMatchObject({ id_token: null });
    expect(written({ fields: {}, idToken: "x" })).not.toHaveProperty("account");
  });

  test("is read back as it was written, whatever the values", () => {
    const text = fc.string({ minLength: 1 });
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const changes = fc.record({
      clientId: text,
      clientSecret: maybe(text),
      refreshToken: maybe(text),
      accessToken: text,
      expiresAtMs: maybe(fc.integer({ min: 0, max: 253_402_300_799 }).map((seconds) => seconds * 1000)),
      scopes: maybe(fc.array(text)),
      idToken: maybe(text),
      isInvalid: fc.boolean(),
    });
    fc.assert(
      fc.property(changes, (some) => {
        const user = sampleUser(some);
        const read = parseCredentials(JSON.parse(encodeUser(user)), "file");
        expect({ ...read, fields: {} }).toEqual(user);
      }),
    );
  });

  test("is read by Google's library for Node", () => {
    const client = new GoogleAuth().fromJSON(written());
    expect(client.credentials).toMatchObject({ refresh_token: "refresh-1" });
  });
});

test.each([
  ["a token of 150 kB", sampleUser({ accessToken: "a".repeat(150_000) })],
  ["claims within claims", sampleUser({ idToken: idToken(nested(2000)) })],
  ["more of them than can be written at all", sampleUser({ fields: nested(50_000) })],
])("encodeUser() writes nothing that could not be read again: %s", async (_, user) => {
  expect(await refusal(() => encodeUser(user))).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("cannot be saved"),
  });
});

function nested(depth: number): Readonly<Record<string, unknown>> {
  return JSON.parse(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`) as Record<string, unknown>;
}
