import { describe, expect, test } from "vitest";
import type { ChildExit } from "../src/child.js";
import { Ledger } from "../src/crash/ledger.js";
import { CrashClient, readAllTasks } from "../src/crash/workload.js";
import { freshSeed, prng } from "../src/prng.js";
import { type RestClient, restClient } from "../src/rest-client.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** `CRASH_SEEDS=7,8 CRASH_ROUNDS=100` repeats seeds, or runs for longer. */
const SEEDS = process.env.CRASH_SEEDS?.split(",").map(Number) ?? [1, 2, 3, freshSeed(), freshSeed()];
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 5);

/** How long one round may take, in milliseconds: a start, at most 150 answers, a kill, a look at all tasks. */
const ROUND_MS = 20_000;

const CLIENTS = 6;

/** How many answers come before the server is killed. */
const ANSWERS = { low: 20, high: 150 };

const restOf = ({ url }: ServerProcess) => restClient(url, "crash", "queue");

/** Lets all clients work until the server has given so many answers and is killed under them. */
async function workUntilKilled(
  clients: readonly CrashClient[],
  server: ServerProcess,
  answers: number,
): Promise<void> {
  const rest: RestClient = restOf(server);
  let left = answers;
  let killed: Promise<ChildExit> | undefined;
  const onAnswer = () => {
    if (--left === 0) killed = server.kill9();
  };
  await Promise.all(clients.map((client) => client.run(rest, onAnswer)));
  expect(await killed, server.stderr()).toEqual({ code: null, signal: "SIGKILL" });
}

/** Rounds of work and kill on one store; gives what the ledger has against it after the last restart. */
async function crashRepeatedly(seed: number, rounds: number, store: string): Promise<Ledger> {
  const ledger = new Ledger();
  const chance = prng(seed);
  const clients = Array.from(
    { length: CLIENTS },
    (_, index) => new CrashClient(`c${index}`, prng(seed * CLIENTS + index), ledger),
  );
  for (let round = 0; round < rounds && ledger.complaints.length === 0; round++) {
    await using server = await startServerProcess({ store });
    ledger.restarted(await readAllTasks(restOf(server)));
    await workUntilKilled(clients, server, chance.integer(ANSWERS.low, ANSWERS.high));
    ledger.compareLeases();
  }
  await using server = await startServerProcess({ store });
  ledger.restarted(await readAllTasks(restOf(server)));
  expect(await server.stop(), server.stderr()).toEqual({ code: 0, signal: null });
  return ledger;
}

describe("kill -9", { timeout: (ROUNDS + 1) * ROUND_MS }, () => {
  test.each(SEEDS)("kill -9 loses nothing that was acknowledged, with seed %i", async (seed) => {
    using folder = temporaryFolder();
    const ledger = await crashRepeatedly(seed, ROUNDS, `sqlite:${folder.file("queue.db")}`);
    expect(ledger.complaints, `CRASH_SEEDS=${seed} CRASH_ROUNDS=${ROUNDS}`).toEqual([]);
    expect(ledger.size).toBeGreaterThan(0);
  });

  test("kill -9 of a store in memory is noticed by this test", async () => {
    const ledger = await crashRepeatedly(1, 1, "memory:");
    expect(ledger.complaints).toContainEqual(expect.stringMatching(/was acknowledged and is missing/));
  });
});
