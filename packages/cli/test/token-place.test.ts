import { describe, expect, test } from "vitest";
import { tokenChoice } from "../src/token-place.js";

const NONE = { place: undefined, audience: undefined };

describe("tokenChoice()", () => {
  test("tokenChoice() takes options before variables, and credentials without either from elsewhere", () => {
    const env = { PULLQUEUE_TOKEN: "t" };
    expect(tokenChoice({}, {})).toEqual(NONE);
    expect(tokenChoice({}, { PULLQUEUE_CREDENTIALS: "", PULLQUEUE_AUDIENCE: "" })).toEqual(NONE);
    expect(tokenChoice({}, env).place).toEqual({ kind: "token", name: "PULLQUEUE_TOKEN", token: "t" });
    expect(tokenChoice({ credentials: "c" }, env).place).toEqual({
      ...{ kind: "credentials", name: "--credentials", path: "c" },
    });
    expect(tokenChoice({ tokenFile: "f" }, { PULLQUEUE_CREDENTIALS: "c" }).place).toEqual({
      ...{ kind: "tokenFile", name: "--token-file", path: "f" },
    });
    expect(tokenChoice({}, { PULLQUEUE_CREDENTIALS: "c" }).place).toMatchObject({ kind: "credentials" });
    expect(tokenChoice({}, { PULLQUEUE_TOKEN_FILE: "f" }).place).toMatchObject({ kind: "tokenFile" });
    expect(tokenChoice({}, { PULLQUEUE_ACCESS_TOKEN: "t" }).place).toMatchObject({ kind: "token" });
  });

  test("tokenChoice() gives credentials an audience, by option or else by variable", () => {
    const env = { PULLQUEUE_AUDIENCE: "https://variable" };
    expect(tokenChoice({ audience: "https://option" }, env).audience).toBe("https://option");
    expect(tokenChoice({ credentials: "c" }, env).audience).toBe("https://variable");
    expect(tokenChoice({}, { ...env, PULLQUEUE_CREDENTIALS: "c" }).audience).toBe("https://variable");
  });

  test.each([
    [{ credentials: "c", tokenFile: "f" }, {}, "--credentials and --token-file both say"],
    [
      {},
      { PULLQUEUE_TOKEN: "t", PULLQUEUE_CREDENTIALS: "c" },
      "PULLQUEUE_CREDENTIALS and PULLQUEUE_TOKEN both",
    ],
    [{ audience: "a", tokenFile: "f" }, {}, "--audience is for credentials, and --token-file says"],
    [{ audience: "a" }, { PULLQUEUE_TOKEN: "t" }, "--audience is for credentials, and PULLQUEUE_TOKEN says"],
    [{}, { PULLQUEUE_AUDIENCE: "a", PULLQUEUE_TOKEN: "t" }, "PULLQUEUE_AUDIENCE is for credentials, and"],
  ])("tokenChoice(%j) with %j is refused", (options, env, message) => {
    expect(() => tokenChoice(options, env)).toThrow(message);
  });

  test("tokenChoice() lets an option for a ready token go before a variable for credentials", () => {
    expect(tokenChoice({ tokenFile: "f" }, { PULLQUEUE_AUDIENCE: "a" })).toEqual({
      ...{ place: { kind: "tokenFile", name: "--token-file", path: "f" }, audience: undefined },
    });
  });
});
