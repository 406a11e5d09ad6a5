import { AuthError } from "@pullqueue/auth";
import { QueueError } from "@pullqueue/core";
import { KombuError } from "@pullqueue/kombu";
import { CommanderError } from "commander";
import { describe, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.js";
import { CLOSED_PIPE, failureOf, interruptionOf, SIGNALS } from "../src/failure.js";

describe("failureOf()", () => {
  test("failureOf() tells nothing there, wrong usage and failures apart", () => {
    expect(failureOf(new QueueError("not_found", "m"), "pullqueue")?.exitCode).toBe(EXIT.nothing);
    expect(failureOf(new QueueError("invalid_argument", "m"), "pullqueue")?.exitCode).toBe(EXIT.usage);
    expect(failureOf(new KombuError("not_supported", "m"), "pullqueue")?.exitCode).toBe(EXIT.usage);
    expect(failureOf(new QueueError("unavailable", "m"), "pullqueue")?.exitCode).toBe(EXIT.failed);
  });

  test("failureOf() names the command whose help says more, and is silent after a help text", () => {
    const wrong = new CommanderError(1, "commander.unknownOption", "error: unknown option '--x'");
    expect(failureOf(wrong, "pullqueue get")).toEqual({
      exitCode: EXIT.usage,
      code: "usage",
      message: "unknown option '--x'. See: pullqueue get --help",
    });
    expect(failureOf(new CommanderError(0, "commander.helpDisplayed", ""), "pullqueue")).toBeUndefined();
  });

  test("failureOf() of a call without a token says where the command takes one", () => {
    const failure = failureOf(new QueueError("unauthenticated", "Login Required"), "pullqueue get");
    expect(failure?.message).toMatch(/^Login Required.*--credentials.*--token-file/);
  });

  test("failureOf() of credentials that cannot be used says so in their own words, and never that there was nothing", () => {
    for (const [code, exitCode] of [
      ["not_found", EXIT.usage],
      ["invalid_file", EXIT.usage],
      ["not_supported", EXIT.usage],
      ["sign_in_needed", EXIT.failed],
      ["closed", EXIT.failed],
    ] as const) {
      const cause = new AuthError(code, "sign in again");
      const failure = { exitCode, code, message: "sign in again" };
      expect(failureOf(cause, "pullqueue get")).toEqual(failure);
      const wrapped = new QueueError("unauthenticated", "sign in again", { cause });
      expect(failureOf(wrapped, "pullqueue get")).toEqual(failure);
    }
    const away = new QueueError("unavailable", "away", { cause: new AuthError("unavailable", "away") });
    expect(failureOf(away, "pullqueue get")).toMatchObject({ exitCode: EXIT.failed, code: "unavailable" });
  });

  test("failureOf() of a mistake of ours shows where it is", () => {
    const failure = failureOf(new TypeError("oops"), "pullqueue");
    expect(failure).toMatchObject({ exitCode: EXIT.failed, code: "internal" });
    expect(failure?.message).toContain("failure.test.ts");
  });
});

describe("interruptionOf()", () => {
  test("interruptionOf() knows a closed pipe, with and without an abort", () => {
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    expect(interruptionOf(broken, new AbortController().signal)).toBe(CLOSED_PIPE);
    expect(interruptionOf(broken, AbortSignal.abort(SIGNALS.SIGINT))).toBe(CLOSED_PIPE);
  });

  test("interruptionOf() is the signal's reason for what the signal caused, and nothing for other errors", () => {
    const signal = AbortSignal.abort(SIGNALS.SIGINT);
    expect(interruptionOf(SIGNALS.SIGINT, signal)).toBe(SIGNALS.SIGINT);
    expect(interruptionOf(new DOMException("aborted", "AbortError"), signal)).toBe(SIGNALS.SIGINT);
    expect(interruptionOf(new QueueError("internal", "m"), signal)).toBeUndefined();
  });
});
