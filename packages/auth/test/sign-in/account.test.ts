import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { accountOf } from "../../src/sign-in/account.js";
import { recordingServer, sendJson } from "../support/recording-server.js";
import { idToken } from "../support/sample-credentials.js";

const LIMITS = { clock: systemClock, signal: undefined };

/** Whom `accountOf()` finds by an ID token with these claims, and what it sent to a provider that says this of the person. */
async function found(claims: object | undefined, said: object) {
  await using provider = await recordingServer((_, response) => sendJson(response, 200, said));
  const token = claims === undefined ? undefined : idToken(claims);
  const tokens = {
    accessToken: "access-1",
    refreshToken: "r",
    expiresAtMs: 0,
    idToken: token,
    scopes: [],
  };
  const account = await accountOf(tokens, `${provider.origin}/me`, LIMITS);
  return { account, sent: provider.requests.map(({ headers }) => headers.authorization) };
}

describe("accountOf()", () => {
  test.each<[string, object | undefined, object, string | undefined, number]>([
    ["the ID token's address", { sub: "1", email: "a@example.com" }, {}, "a@example.com", 0],
    ["what the provider says", { sub: "1" }, { sub: "1", email: "b@example.com" }, "b@example.com", 1],
    ["nobody by an answer about another", { sub: "1" }, { sub: "2", email: "c@example.com" }, undefined, 1],
    ["nobody by an answer about nobody", { sub: "1" }, { email: "c@example.com" }, undefined, 1],
    ["nobody without an ID token", undefined, { sub: "1", email: "d@example.com" }, undefined, 0],
    ["nobody by a token about nobody", {}, { email: "d@example.com" }, undefined, 0],
  ])("accountOf() finds %s", async (_, claims, said, account, calls) => {
    const result = await found(claims, said);
    expect(result).toEqual({ account, sent: Array.from({ length: calls }, () => "Bearer access-1") });
  });
});
