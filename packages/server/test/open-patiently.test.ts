import { manualClock, QueueError } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { STORE_PATIENCE_MS, STORE_RETRY_MS } from "../src/limits.js";
import { createLog } from "../src/log.js";
import { openPatiently } from "../src/open-patiently.js";

const AWAY = new QueueError("unavailable", "nobody listens on port 5432");

/** A store that is away so often, and a clock that runs on as soon as somebody waits for it. */
function stage(failures: readonly QueueError[], signal?: AbortSignal) {
  const lines: string[] = [];
  const log = createLog({
    level: "warn",
    format: "json",
    stream: { write: (line) => void lines.push(line) },
  });
  const manual = manualClock();
  const clock: typeof manual = {
    ...manual,
    timer: (delayMs, callback, options) => {
      const cancel = manual.timer(delayMs, callback, options);
      queueMicrotask(() => manual.advance(delayMs));
      return cancel;
    },
  };
  let calls = 0;
  const open = async () => {
    const failure = failures[calls];
    calls += 1;
    if (failure !== undefined) throw failure;
    return "a store";
  };
  return { lines, calls: () => calls, opening: openPatiently(open, { clock, log, signal }) };
}

describe("openPatiently()", () => {
  test("openPatiently() waits for a store that is away, and says so", async () => {
    const { lines, opening } = stage([AWAY, AWAY]);
    expect(await opening).toBe("a store");
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(
      Array.from({ length: 2 }, () => "waiting for the store: nobody listens on port 5432"),
    );
  });

  test("openPatiently() gives up in the end", async () => {
    const tries = STORE_PATIENCE_MS / STORE_RETRY_MS + 1;
    const { calls, opening } = stage(Array.from({ length: 2 * tries }, () => AWAY));
    await expect(opening).rejects.toBe(AWAY);
    expect(calls()).toBe(tries);
  });

  test("openPatiently() does not wait for what will not change", async () => {
    const wrong = new QueueError("invalid_argument", "no such database");
    const { calls, opening } = stage([wrong]);
    await expect(opening).rejects.toBe(wrong);
    expect(calls()).toBe(1);
  });

  test("openPatiently() stops waiting when told so", async () => {
    const reason = new Error("stopped");
    const { calls, opening } = stage([AWAY], AbortSignal.abort(reason));
    await expect(opening).rejects.toBe(reason);
    expect(calls()).toBe(0);
  });
});
