import { describe, expect, test } from "vitest";
import { checkNewTask, checkStoreOptions, exactLease } from "../src/argument-rules.js";
import { DELAY_MS_MAX, LEASE_PAYLOAD_BYTES_DEFAULT } from "../src/limits.js";
import { openMemoryStore } from "../src/stores/memory.js";

const payload = new Uint8Array();
const nowUs = 1_767_225_600_000_000;

/** The complaint of a rule, as code, location and message. */
function complaint(rule: () => unknown) {
  try {
    rule();
  } catch (error) {
    const { code, location, message } = error as { code: string; location: string; message: string };
    return { code, location, message };
  }
  return undefined;
}

describe("checkNewTask()", () => {
  test.each([
    [{ etaUs: nowUs + DELAY_MS_MAX * 1000 }],
    [{ etaUs: 0 }],
    [{ delayMs: 0.5 }],
    [{ tag: "" }],
    [{ tag: "ü".repeat(250) }],
    [{ id: "x".repeat(500) }],
    [{ id: "0123456789abcde" }],
  ])("takes %j", (fields) => {
    expect(complaint(() => checkNewTask({ payload, ...fields }, nowUs))).toBeUndefined();
  });

  test.each([
    [{ etaUs: nowUs + DELAY_MS_MAX * 1000 + 1 }, "leaseTimestamp", "at most 30 days from now"],
    [{ etaUs: -1 }, "leaseTimestamp", "got -1"],
    [{ etaUs: 0.5 }, "leaseTimestamp", "whole microseconds"],
    [{ etaUs: nowUs, delayMs: 1 }, "delayMs", "got both"],
    [{ delayMs: -1 }, "delayMs", "from 0 to 2592000000 milliseconds; got -1"],
    [{ delayMs: Number.NaN }, "delayMs", "got NaN"],
    [{ tag: "ü".repeat(251) }, "tag", "Tag must be <= 500 bytes, got 502"],
    [{ tag: "\ud800" }, "tag", "UTF-8"],
    [{ id: "" }, "id", '1 to 500 of a-z A-Z 0-9 _ -; got ""'],
    [{ id: "0123456789abcdef" }, "id", "kept for ids that the store makes"],
    [{ id: "lease" }, "id", "cannot be called lease"],
    [{ idempotencyKey: "" }, "idempotencyKey", "1 to 128 characters"],
  ])("refuses %j and names the field", (fields, location, words) => {
    expect(complaint(() => checkNewTask({ payload, ...fields }, nowUs))).toEqual({
      code: "invalid_argument",
      location,
      message: expect.stringContaining(words),
    });
  });
});

describe("exactLease()", () => {
  test("fills in what was left out", () => {
    expect(exactLease({ maxTasks: 1, leaseMs: 1000 })).toEqual({
      maxTasks: 1,
      leaseMs: 1000,
      groupByTag: false,
      tag: undefined,
      payloadBytesMax: LEASE_PAYLOAD_BYTES_DEFAULT,
    });
  });

  test("speaks of lease times in the wire's unit", () => {
    expect(complaint(() => exactLease({ maxTasks: 1, leaseMs: 700_000_000 }))).toMatchObject({
      location: "leaseSecs",
      message: "leaseSecs must be from 0 to 604800 seconds; got 700000",
    });
  });

  test("takes the empty tag as none, with and without groupByTag", () => {
    for (const groupByTag of [true, false]) {
      expect(exactLease({ maxTasks: 1, leaseMs: 0, groupByTag, tag: "" }).tag).toBeUndefined();
    }
  });
});

describe("checkStoreOptions()", () => {
  test.each([
    [{ queuesMax: 0 }, "queuesMax"],
    [{ queuesMax: 1.5 }, "queuesMax"],
    [{ tombstoneMs: -1 }, "tombstoneMs"],
  ])("refuses %j", (options, location) => {
    expect(complaint(() => checkStoreOptions(options))).toMatchObject({ code: "invalid_argument", location });
    expect(complaint(() => openMemoryStore(options))).toMatchObject({ location });
  });
});
