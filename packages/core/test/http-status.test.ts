import { describe, expect, test } from "vitest";
import { QUEUE_ERROR_CODES, QueueError } from "../src/errors.js";
import { errorFromWire, errorToWire } from "../src/http-status.js";

describe("errorToWire()", () => {
  test("writes Google's envelope, with our code beside it", () => {
    expect(errorToWire(new QueueError("invalid_argument", "no good", { location: "leaseSecs" }))).toEqual({
      errors: [
        {
          domain: "global",
          reason: "invalid",
          message: "no good",
          locationType: "parameter",
          location: "leaseSecs",
        },
      ],
      code: 400,
      message: "no good",
      status: "invalid_argument",
    });
  });

  test("takes the exact reason from the error, and what a route says over both", () => {
    const error = new QueueError("invalid_argument", "missing", { reason: "required" });
    expect(errorToWire(error).errors[0]?.reason).toBe("required");
    const override = { httpStatus: 404, reason: "notFound", message: "gone" };
    expect(errorToWire(error, override)).toMatchObject({
      code: 404,
      message: "gone",
      errors: [{ reason: "notFound", message: "gone" }],
    });
  });

  test("an internal error tells nothing of what happened", () => {
    const error = new QueueError("internal", "SELECT * FROM /var/lib/secret.db", {
      cause: new Error("disk I/O error"),
    });
    const text = JSON.stringify(errorToWire(error));
    expect(text).not.toMatch(/SELECT|secret|disk/);
  });

  test("never sends a cause or a stack", () => {
    const error = new QueueError("unavailable", "try again", { cause: new Error("ECONNREFUSED 10.0.0.1") });
    expect(JSON.stringify(errorToWire(error))).not.toMatch(/ECONNREFUSED|stack/);
  });

  test("locates what is wrong with credentials in a header", () => {
    const error = new QueueError("unauthenticated", "who?", { location: "Authorization" });
    expect(errorToWire(error).errors[0]).toMatchObject({ locationType: "header", location: "Authorization" });
  });
});

describe("errorFromWire()", () => {
  test.each(QUEUE_ERROR_CODES)("reads %s back as it was written; closed as unavailable", (code) => {
    const wire = errorToWire(new QueueError(code, "a sentence", { location: "task" }));
    const read = errorFromWire(wire.code, { error: wire });
    expect(read.code).toBe(code === "closed" ? "unavailable" : code);
    expect(read.location).toBe("task");
    if (code !== "internal") expect(read.message).toBe("a sentence");
  });

  test.each([
    [400, "The task lease has expired", "lease_lost"],
    [400, "The TASK NAME is invalid.", "not_found"],
    [400, "The REST API is only applicable to pull queues.", "wrong_mode"],
    [400, "The task name has already taken", "already_exists"],
    [400, "Invalid value", "invalid_argument"],
    [409, "duplicate", "already_exists"],
    [401, "Login Required", "unauthenticated"],
    [403, "you are not allowed to make this api call", "permission_denied"],
    [404, "Not Found", "not_found"],
    [408, "slow", "timeout"],
    [410, "Gone", "not_found"],
    [413, "big", "too_large"],
    [418, "teapot", "invalid_argument"],
    [429, "quota", "resource_exhausted"],
    [500, "Backend Error", "internal"],
    [502, "Bad Gateway", "unavailable"],
    [503, "Backend Error", "unavailable"],
    [504, "Gateway", "timeout"],
  ] as const)("understands a server without our codes: %i %s", (status, message, code) => {
    const body = { error: { errors: [{ domain: "global", reason: "x", message }], code: status, message } };
    expect(errorFromWire(status, body)).toMatchObject({ code, message });
  });

  test.each([
    undefined,
    null,
    "text",
    7,
    [],
    {},
    { error: null },
    { error: "text" },
    { error: { errors: null } },
    { error: { errors: [null], message: 7, status: {} } },
  ])("makes an error of any body, as of %j", (body) => {
    expect(errorFromWire(503, body)).toMatchObject({
      code: "unavailable",
      message:
        "the server answered with status 503 and no reason; is something else at this endpoint, or in between?",
      location: undefined,
    });
  });

  test("does not believe a code that it does not know", () => {
    expect(errorFromWire(404, { error: { status: "weird", message: "m" } }).code).toBe("not_found");
  });
});
