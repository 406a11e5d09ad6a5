import { describe, expect, test } from "vitest";
import { addScopes, parseScopes, scopeText } from "../src/scopes.js";

const TASKQUEUE = "https://www.googleapis.com/auth/taskqueue";

describe("addScopes()", () => {
  test("addScopes() takes short names, URLs and any other scope, and adds to those before", () => {
    expect(addScopes("taskqueue, https://example.com/s")).toEqual([TASKQUEUE, "https://example.com/s"]);
    expect(addScopes("queue:write", ["openid"])).toEqual(["openid", "queue:write"]);
    expect(addScopes("constructor")).toEqual(["constructor"]);
  });

  test.each(["", "a,,b", "two words", 'quo"ted', "späße"])("addScopes(%j) is refused", (text) => {
    expect(() => addScopes(text)).toThrow(
      /Expected taskqueue, taskqueue.consumer, or a scope without spaces/,
    );
  });
});

describe("parseScopes()", () => {
  test("parseScopes() refuses what is neither a short name nor a URL", () => {
    expect(parseScopes("taskqueue")).toEqual([TASKQUEUE]);
    for (const text of ["openid", "constructor"]) expect(() => parseScopes(text)).toThrow(/or a URL/);
  });
});

describe("scopeText()", () => {
  test("scopeText() is the short name where there is one", () => {
    expect([TASKQUEUE, "openid"].map(scopeText)).toEqual(["taskqueue", "openid"]);
  });
});
