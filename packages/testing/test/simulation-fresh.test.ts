import { describe, test } from "vitest";
import { freshSeed } from "../src/prng.js";
import { expectLawful, groupsOfSeeds, inCi } from "./support/lawful.js";

/** How many worlds that nobody has seen before. */
const COUNT = inCi() ? 100 : 25;

/** Seeds of each test, and how long it may take, in milliseconds. */
const GROUP = 25;
const GROUP_MS = 120_000;

describe("simulate()", { timeout: GROUP_MS }, () => {
  const first = freshSeed();

  test.each(groupsOfSeeds(first, COUNT, GROUP).map((seeds) => [seeds[0]!, seeds.at(-1)!, seeds] as const))(
    "simulate() breaks no law in the fresh worlds %i to %i",
    async (_first, _last, seeds) => {
      await expectLawful(seeds);
    },
  );
});
