import { expect } from "vitest";
import { simulate } from "../../src/simulation/run.js";

/** Last lines of a failed world that a test shows. */
const LINES_SHOWN = 60;

/** Plays the worlds of some seeds. The first broken law fails the test, and says how to see it again. */
export async function expectLawful(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const { complaints, lines } = await simulate(seed);
    const again = `again: npm run simulate -- --seed ${seed}\n${lines.slice(-LINES_SHOWN).join("\n")}`;
    expect(complaints, again).toEqual([]);
  }
}

/** So many seeds from the first on, in groups for one test each. */
export function groupsOfSeeds(first: number, count: number, size: number): readonly (readonly number[])[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, group) =>
    Array.from({ length: Math.min(size, count - group * size) }, (_, index) => first + group * size + index),
  );
}

/** Whether nobody waits for the tests in front of a terminal, as where nothing may be left out. */
export function inCi(): boolean {
  return process.env.REQUIRE_SERVICES === "1";
}
