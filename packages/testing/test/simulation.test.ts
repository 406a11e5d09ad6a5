import { describe, expect, test } from "vitest";
import { simulate } from "../src/simulation/run.js";
import { expectLawful, groupsOfSeeds, inCi } from "./support/lawful.js";

/** How many worlds that are the same each time: each broken promise of the mutants shows in as many. Fewer where a person waits. */
const COUNT = inCi() ? 150 : 75;

/** Seeds of each test, so that a failure is found near its cause and none takes long. */
const GROUP = 25;

/** How long a group may take, in milliseconds: each world takes about a quarter of a second of computing. */
const GROUP_MS = 120_000;

describe("simulate()", { timeout: GROUP_MS }, () => {
  test("simulate() plays the same world for the same seed, bit for bit", async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(first.lines.length).toBeGreaterThan(100);
      expect(second.digest).toBe(first.digest);
    }
  });

  test("simulate() plays different worlds for different seeds", async () => {
    const runs = [await simulate(1), await simulate(2)];
    expect(new Set(runs.map(({ digest }) => digest)).size).toBe(2);
  });

  test.each(groupsOfSeeds(1, COUNT, GROUP).map((seeds) => [seeds[0]!, seeds.at(-1)!, seeds] as const))(
    "simulate() breaks no law in the worlds %i to %i",
    async (_first, _last, seeds) => {
      await expectLawful(seeds);
    },
  );
});
