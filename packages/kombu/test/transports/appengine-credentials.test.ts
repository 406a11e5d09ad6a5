import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, test } from "vitest";
import { fileTokenSource, tokenSourceOf } from "../../src/transports/appengine-credentials.js";

/** A credentials file with this content, read once. */
async function tokenOf(content: string): Promise<string | undefined> {
  using folder = temporaryFolder();
  const path = folder.file("credentials.json");
  writeFileSync(path, content);
  return await fileTokenSource(path).getAccessToken({});
}

/** Other files that users of Google's API have, and what the refusal calls them. */
const OTHERS: readonly (readonly [what: string, content: object, named: RegExp])[] = [
  ["client secrets", { installed: { client_id: "i", client_secret: "very-secret" } }, /client secrets/],
  ["web client secrets", { web: { client_id: "i", client_secret: "very-secret" } }, /client secrets/],
  ["a service account", { type: "service_account", private_key: "very-secret" }, /service account/],
  ["an authorized user", { type: "authorized_user", refresh_token: "very-secret" }, /authorized_user/],
  [
    "an oauth2client Storage file",
    { _class: "OAuth2Credentials", _module: "oauth2client.client", access_token: "very-secret" },
    /oauth2client Storage/,
  ],
  [
    "a file of several Storages",
    { file_version: 1, data: [{ token: "very-secret" }] },
    /oauth2client Storage/,
  ],
  ["OAuth credentials", { client_id: "i", access_token: "very-secret" }, /OAuth credentials/],
  ["an empty token", { access_token: "" }, /without a text access_token/],
];

describe("fileTokenSource()", () => {
  test("fileTokenSource() reads the access token, whatever a token answer has beside it", async () => {
    expect(await tokenOf('{"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}')).toBe("t");
  });

  for (const [what, content, named] of OTHERS) {
    test(`fileTokenSource() refuses ${what}, says what it is, and shows nothing of it`, async () => {
      const refusal = await tokenOf(JSON.stringify(content)).catch((error: Error) => error);
      expect(refusal).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(named) });
      expect(String((refusal as Error).message)).toContain("signing in is not supported yet");
      expect(String((refusal as Error).message)).not.toContain("very-secret");
    });
  }

  test("fileTokenSource() refuses what is no JSON object, or too large", async () => {
    for (const content of ["token very-secret", "[]", '"very-secret"', "null", " ".repeat(70_000)]) {
      const refusal = await tokenOf(content).catch((error: Error) => error);
      expect(refusal).toMatchObject({ code: "invalid_argument" });
      expect((refusal as Error).message).not.toContain("very-secret");
    }
  });

  test("fileTokenSource() says which file cannot be read", async () => {
    const reading = fileTokenSource("/nowhere/credentials.json").getAccessToken({});
    await expect(reading).rejects.toThrow(/\/nowhere\/credentials.json cannot be read/);
  });

  test("fileTokenSource() reads again when the token was refused, or could not be read", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    const source = fileTokenSource(path);
    await expect(source.getAccessToken({})).rejects.toMatchObject({ code: "invalid_argument" });
    writeFileSync(path, '{"access_token": "old"}');
    expect(await source.getAccessToken({})).toBe("old");
    writeFileSync(path, '{"access_token": "new"}');
    expect(await source.getAccessToken({})).toBe("old");
    expect(await source.getAccessToken({ rejected: "old" })).toBe("new");
  });
});

describe("tokenSourceOf()", () => {
  test("tokenSourceOf() gives the token, or what the function gives", async () => {
    expect(await tokenSourceOf("t").getAccessToken({})).toBe("t");
    const asked: unknown[] = [];
    const source = tokenSourceOf(async (request) => {
      asked.push(request.rejected);
      return "f";
    });
    expect(await source.getAccessToken({ rejected: "old" })).toBe("f");
    expect(asked).toEqual(["old"]);
  });

  test("tokenSourceOf() refuses a function that gives no token", async () => {
    const source = tokenSourceOf(() => undefined as unknown as string);
    await expect(source.getAccessToken({})).rejects.toMatchObject({ code: "unauthenticated" });
  });
});
