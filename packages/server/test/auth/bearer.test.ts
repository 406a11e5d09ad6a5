import { describe, expect, test } from "vitest";
import { tokenOf } from "../../src/auth/bearer.js";
import { TOKEN_LENGTH_MAX } from "../../src/limits.js";
import { parseQuery } from "../../src/query.js";

function read(authorization: string | undefined, search = "", fromQuery = true) {
  const headers = new Headers(authorization === undefined ? {} : { authorization });
  return tokenOf(headers, parseQuery(search), { fromQuery });
}

describe("tokenOf()", () => {
  test.each([
    ["Bearer abc", "", "abc"],
    ["bearer   abc", "", "abc"],
    ["BEARER a-._~+/=:|", "", "a-._~+/=:|"],
    [undefined, "access_token=abc", "abc"],
    [undefined, "prettyPrint=false&oauth_token=a%2Fc", "a/c"],
    [undefined, "access_token=abc&oauth_token=abc", "abc"],
    ["Bearer abc", "access_token=abc", "abc"],
    [undefined, "", undefined],
    [undefined, "key=abc", undefined],
  ])("tokenOf() finds in %j and ?%s the token %j", (header, search, token) => {
    expect(read(header, search)).toBe(token);
  });

  test.each([
    ["Bearer a", "access_token=b"],
    ["Bearer a", "oauth_token=b"],
    [undefined, "access_token=a&oauth_token=b"],
    [undefined, "access_token=a&access_token=b"],
  ])("tokenOf() refuses two tokens that differ, %j and ?%s", (header, search) => {
    expect(() => read(header, search)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location: "Authorization" }),
    );
  });

  test.each([
    "Basic YTpi",
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Bearer a,b",
    "Bearer a, Bearer b",
    'Bearer "a"',
    "abc",
  ])("tokenOf() refuses the header %j and does not quote it", (header) => {
    const secret = `${header}s3cret`;
    expect(() => read(header)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    expect(() => read(`Bearer ${secret} x`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("s3cret") }),
    );
  });

  test("tokenOf() refuses an empty token, one of control characters and one that is too long", () => {
    for (const search of [
      "access_token=",
      "access_token=a%0Ab",
      `access_token=${"a".repeat(TOKEN_LENGTH_MAX + 1)}`,
    ]) {
      expect(() => read(undefined, search)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    }
    expect(read(`Bearer ${"a".repeat(TOKEN_LENGTH_MAX)}`)).toHaveLength(TOKEN_LENGTH_MAX);
  });

  test("tokenOf() refuses tokens in the query where they are switched off, also beside the header", () => {
    for (const header of [undefined, "Bearer abc"]) {
      expect(() => read(header, "access_token=abc", false)).toThrow(
        expect.objectContaining({
          code: "unauthenticated",
          message: expect.stringContaining("switched off"),
        }),
      );
    }
    expect(read("Bearer abc", "", false)).toBe("abc");
  });

  test.each(["access_token=s3cret%ZZ", "access_token%ZZ=s3cret", "access_token%ZZs3cret", "key=s3cret%ZZ"])(
    "parseQuery() does not quote the secret in ?%s",
    (search) => {
      expect(() => parseQuery(search)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining("s3cret") }),
      );
    },
  );
});
