import { describe, expect, test } from "vitest";
import { TOKEN_LIFE_MS_DEFAULT, TOKEN_LIFE_MS_MAX } from "../../src/limits.js";
import { grantOf } from "../../src/sources/token-answer.js";
import { refusal } from "../support/sample-credentials.js";

/** What a JSON answer can hold that no conversion to a text or a number takes. */
const NO_VALUE = { toString: 1, valueOf: 1 };

function grantOfFields(fields: object) {
  const answer = { status: 200, fields: { access_token: "a-token", ...fields }, serverMs: undefined };
  return grantOf(answer, "https://auth.example.com/token");
}

describe("grantOf()", () => {
  test.each([
    [3599, 3_599_000],
    ["3599", 3_599_000],
    [0, 0],
    [-5, TOKEN_LIFE_MS_DEFAULT],
    [null, TOKEN_LIFE_MS_DEFAULT],
    ["", TOKEN_LIFE_MS_DEFAULT],
    ["soon", TOKEN_LIFE_MS_DEFAULT],
    [true, TOKEN_LIFE_MS_DEFAULT],
    [NO_VALUE, TOKEN_LIFE_MS_DEFAULT],
    [1e300, TOKEN_LIFE_MS_MAX],
    [Number.POSITIVE_INFINITY, TOKEN_LIFE_MS_MAX],
  ])("grantOf() makes something sensible of a life of %j seconds", (expires_in, lifeMs) => {
    expect(grantOfFields({ expires_in }).lifeMs).toBe(lifeMs);
  });

  test("grantOf() refuses a type that is no text", async () => {
    expect(await refusal(() => grantOfFields({ token_type: NO_VALUE }))).toMatchObject({
      code: "not_supported",
    });
  });
});
