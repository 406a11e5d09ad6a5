import { describe, expect, test } from "vitest";
import { simulate } from "../src/simulation/run.js";
import { MUTANTS, type Mutant } from "./support/mutants.js";

/** In so many worlds at most a broken promise must show. */
const SEEDS_MAX = 150;

/** How long it may take, in milliseconds. */
const SEARCH_MS = 240_000;

/** The first complaint about a mutant, if there is one. */
async function firstComplaint({
  breakage,
}: Mutant): Promise<{ seed: number; complaint: string } | undefined> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const [complaint] = (await simulate(seed, breakage)).complaints;
    if (complaint !== undefined) return { seed, complaint };
  }
  return undefined;
}

describe("simulate()", { timeout: SEARCH_MS }, () => {
  test.each(MUTANTS)("simulate() notices $name", async (mutant) => {
    const found = await firstComplaint(mutant);
    expect(found?.complaint, `in ${SEEDS_MAX} worlds`).toMatch(mutant.complaint);
  });
});
