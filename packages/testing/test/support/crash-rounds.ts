import { expect } from "vitest";
import type { ChildExit } from "../../src/child.js";
import { Ledger } from "../../src/crash/ledger.js";
import { CrashClient, type CrashHabits, readAllTasks } from "../../src/crash/workload.js";
import { prng } from "../../src/prng.js";
import { type RestTask, restClient } from "../../src/rest-client.js";
import { type ServerProcess, startServerProcess } from "../../src/server-process.js";

/** Clients at work on one queue. */
interface Crew {
  readonly queue: string;
  readonly clients: number;
  readonly habits: CrashHabits;
  /** Put before each round, where the queue is not what the first insert makes of it. */
  readonly settings?: object;
}

/** Who works on what while a server is killed again and again. */
export type Scene = readonly Crew[];

/** Six clients on one queue. */
export const ONE_QUEUE: Scene = [{ queue: "queue", clients: 6, habits: {} }];

/** Tasks that go to the dead letters after one lease, and some that are sent back. */
export const MOVING: Scene = [
  {
    queue: "queue",
    clients: 4,
    habits: { leaseSecs: [0, 0, 1, 30] },
    settings: { maxLeases: 1, deadLetterQueue: "dead-letters" },
  },
  { queue: "dead-letters", clients: 2, habits: { leaseSecs: [0, 1, 30], redrives: true }, settings: {} },
];

/** How a scene is run. */
export interface CrashRun {
  readonly seed: number;
  readonly rounds: number;
  readonly store: string;
}

/** What came of it: what the ledger has against the server, and how many dead letters the restarts showed. */
export interface CrashOutcome {
  readonly ledger: Ledger;
  readonly deadLetters: number;
}

/** How many answers come before the server is killed. */
const ANSWERS = { low: 20, high: 150 };

/** Rounds of work and kill on one store. */
export async function crashRepeatedly(
  scene: Scene,
  { seed, rounds, store }: CrashRun,
): Promise<CrashOutcome> {
  const ledger = new Ledger();
  const chance = prng(seed);
  const total = scene.reduce((sum, { clients }) => sum + clients, 0);
  let names = 0;
  const clients = scene.map(({ clients: count, habits }) =>
    Array.from({ length: count }, () => {
      const index = names++;
      return new CrashClient(`c${index}`, prng(seed * total + index), ledger, habits);
    }),
  );
  let deadLetters = 0;
  const compare = async (server: ServerProcess) => {
    const tasks = await allTasks(scene, server);
    ledger.restarted(tasks);
    deadLetters += tasks.filter(({ deadLetter }) => deadLetter !== undefined).length;
  };
  for (let round = 0; round < rounds && ledger.complaints.length === 0; round++) {
    await using server = await startServerProcess({ store });
    await compare(server);
    await configure(scene, server);
    await workUntilKilled(scene, clients, server, chance.integer(ANSWERS.low, ANSWERS.high));
    ledger.compareLeases();
  }
  await using server = await startServerProcess({ store });
  await compare(server);
  expect(await server.stop(), server.stderr()).toEqual({ code: 0, signal: null });
  return { ledger, deadLetters };
}

/** Lets all clients work until the server has given so many answers and is killed under them. */
async function workUntilKilled(
  scene: Scene,
  clients: readonly (readonly CrashClient[])[],
  server: ServerProcess,
  answers: number,
): Promise<void> {
  let left = answers;
  let killed: Promise<ChildExit> | undefined;
  const onAnswer = () => {
    if (--left === 0) killed = server.kill9();
  };
  const working = scene.flatMap(({ queue }, index) =>
    clients[index]!.map((client) => client.run(restOf(server, queue), onAnswer)),
  );
  await Promise.all(working);
  expect(await killed, server.stderr()).toEqual({ code: null, signal: "SIGKILL" });
}

async function configure(scene: Scene, server: ServerProcess): Promise<void> {
  for (const { queue, settings } of scene) {
    if (settings === undefined) continue;
    const { status } = await restOf(server, queue).call("taskqueues.update", { body: settings });
    expect(status).toBe(200);
  }
}

async function allTasks(scene: Scene, server: ServerProcess): Promise<RestTask[]> {
  const lists = await Promise.all(scene.map(({ queue }) => readAllTasks(restOf(server, queue))));
  return lists.flat();
}

function restOf({ url }: ServerProcess, queue: string) {
  return restClient(url, "crash", queue);
}
