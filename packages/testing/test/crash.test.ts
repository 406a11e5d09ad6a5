import { describe, expect, test } from "vitest";
import { freshSeed } from "../src/prng.js";
import { temporaryFolder } from "../src/temp.js";
import { crashRepeatedly, MOVING, ONE_QUEUE } from "./support/crash-rounds.js";

/** `CRASH_SEEDS=7,8 CRASH_ROUNDS=100` repeats seeds, or runs for longer. */
const SEEDS = process.env.CRASH_SEEDS?.split(",").map(Number) ?? [1, 2, 3, freshSeed(), freshSeed()];
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 5);

/** How long one round may take, in milliseconds: a start, at most 150 answers, a kill, a look at all tasks. */
const ROUND_MS = 20_000;

describe("kill -9", { timeout: (ROUNDS + 1) * ROUND_MS }, () => {
  test.each(SEEDS)("kill -9 loses nothing that was acknowledged, with seed %i", async (seed) => {
    using folder = temporaryFolder();
    const store = `sqlite:${folder.file("queue.db")}`;
    const { ledger } = await crashRepeatedly(ONE_QUEUE, { seed, rounds: ROUNDS, store });
    expect(ledger.complaints, `CRASH_SEEDS=${seed} CRASH_ROUNDS=${ROUNDS}`).toEqual([]);
    expect(ledger.size).toBeGreaterThan(0);
  });

  test.each(SEEDS.slice(-3))(
    "kill -9 while tasks move to a dead-letter queue and back loses none and doubles none, with seed %i",
    async (seed) => {
      using folder = temporaryFolder();
      const store = `sqlite:${folder.file("queue.db")}`;
      const { ledger, deadLetters } = await crashRepeatedly(MOVING, { seed, rounds: ROUNDS, store });
      expect(ledger.complaints, `CRASH_SEEDS=${seed} CRASH_ROUNDS=${ROUNDS}`).toEqual([]);
      expect(deadLetters).toBeGreaterThan(0);
    },
  );

  test("kill -9 of a store in memory is noticed by this test", async () => {
    const { ledger } = await crashRepeatedly(ONE_QUEUE, { seed: 1, rounds: 1, store: "memory:" });
    expect(ledger.complaints).toContainEqual(expect.stringMatching(/was acknowledged and is missing/));
  });
});
