import { describe, expect, test } from "vitest";
import { serverDisturbances } from "../src/cluster/disturbances.js";
import { postgresDisturbances } from "../src/cluster/postgres-disturbances.js";
import { runScenario, type ScenarioOptions, type ScenarioResult } from "../src/cluster/scenario.js";
import { ServerGroup } from "../src/cluster/server-group.js";
import { startPostgresInstance } from "../src/postgres-instance.js";
import { freshSeed } from "../src/prng.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

/** `CLUSTER_SEED=7 CLUSTER_DISTURBANCES=500` repeats a seed, or runs for longer. Nine: each kind once. */
const SEED = Number(process.env.CLUSTER_SEED ?? freshSeed());
const DISTURBANCES = Number(process.env.CLUSTER_DISTURBANCES ?? 9);

/** How long one disturbance may take with the work around it, in milliseconds: two starts of a server, on a busy machine. */
const DISTURBANCE_MS = 15_000;

/** How long one test may take, and how much of that is left to say where it was, in milliseconds. */
const TEST_MS = (DISTURBANCES + 4) * DISTURBANCE_MS;
const TELLING_MS = 10_000;

const SERVERS = 3;

const replay = (seed: number) => `CLUSTER_SEED=${seed} CLUSTER_DISTURBANCES=${DISTURBANCES}`;

/** Runs it, and tells what there is to know when it fails, or does not end. */
async function runOn(
  group: ServerGroup,
  options: Omit<ScenarioOptions, "url" | "onStep">,
): Promise<ScenarioResult> {
  const steps: string[] = [];
  const startMs = Date.now();
  const onStep = (name: string) => void steps.push(`${Date.now() - startMs} ms: ${name}`);
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error("it does not end")), TEST_MS - TELLING_MS).unref();
  });
  const ended = runScenario({ ...options, url: group.url, onStep });
  const result = await Promise.race([ended, late]).catch((error: unknown) => {
    throw new Error([replay(options.seed), ...steps, group.stderr()].join("\n"), { cause: error });
  });
  process.stdout.write(
    `${replay(options.seed)}: ${result.answers} answers, ${result.disturbances.length} disturbances\n`,
  );
  return result;
}

/** What clients were told went wrong, and how often. */
function inWords(failures: ReadonlyMap<string, number>): readonly string[] {
  return [...failures].map(([text, count]) => `${count} times: ${text}`);
}

describe("three servers and twenty clients", { timeout: TEST_MS }, () => {
  test.skipIf(isMissing("postgres-programs"))(
    "on one PostgreSQL nothing is lost, held twice or handed out again",
    async () => {
      await using postgres = await startPostgresInstance();
      await using group = await ServerGroup.start(postgres.url, SERVERS);
      const result = await runOn(group, {
        seed: SEED,
        count: DISTURBANCES,
        disturbances: (context) => [
          ...serverDisturbances(group, context),
          ...postgresDisturbances(postgres, context),
        ],
      });
      expect(
        result.complaints,
        [replay(SEED), ...inWords(result.failures), group.stderr()].join("\n"),
      ).toEqual([]);
      expect(result.disturbances).toHaveLength(DISTURBANCES);
    },
  );

  test("on one SQLite file nothing is lost, held twice or handed out again", async () => {
    using folder = temporaryFolder();
    await using group = await ServerGroup.start(`sqlite:${folder.file("queue.db")}`, SERVERS);
    const result = await runOn(group, {
      seed: SEED,
      count: Math.ceil(DISTURBANCES / 3),
      disturbances: (context) => serverDisturbances(group, context),
    });
    expect(result.complaints, [replay(SEED), ...inWords(result.failures), group.stderr()].join("\n")).toEqual(
      [],
    );
  });
});
