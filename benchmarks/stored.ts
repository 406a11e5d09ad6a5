import { readFileSync } from "node:fs";
import { openHttpStore, type QueueKey } from "@pullqueue/core";
import type { Place } from "./support/place.js";
import { startServer } from "./support/places.js";
import { type Job, OURS, type Question } from "./support/question.js";
import { cycleTimes, fill } from "./support/stored-tasks.js";
import { spreadOf } from "./support/summary.js";

const QUEUE: QueueKey = { project: "bench", queue: "stored" };

/** Tasks of each call that is measured. */
const BATCH = 100;

/** `messages` are cycles of insert, lease and delete here, so that the number of tasks stays. */
async function measured({ value, messages: cycles, places }: Job) {
  const { url, pid } = await places.own(`stored ${value}`, () => filledServer(Number(value)));
  await using store = await openHttpStore({ endpoint: url });
  const { insert, lease, delete: remove } = await cycleTimes(store, QUEUE, { batch: BATCH, cycles });
  return {
    lease_ms: spreadOf(lease).median,
    insert_ms: spreadOf(insert).median,
    delete_ms: spreadOf(remove).median,
    resident_mib: memoryOf(pid!, "VmRSS"),
    peak_mib: memoryOf(pid!, "VmHWM"),
  };
}

/** A server of its own for each number, so that all of them can be asked in turn. */
async function filledServer(count: number): Promise<Place> {
  const server = await startServer((folder) => `sqlite:${folder}/queue.db`);
  try {
    await using store = await openHttpStore({ endpoint: server.url });
    await fill(store, QUEUE, count);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** In MiB, as the kernel counts it. */
function memoryOf(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
}

/** What a backlog costs. */
export const question: Question = {
  name: "stored",
  question: "What do a call and the server's memory cost when many tasks are stored?",
  text: [
    "A server on an SQLite file for each number of tasks, all in one queue and available, 100 bytes each. One caller inserts, leases and deletes",
    `${BATCH} tasks in turn over HTTP, one call at a time; times are medians of a round. The peak of memory includes the filling.`,
  ].join("\n"),
  parameter: "tasks stored",
  values: [1e3, 1e4, 1e5, 1e6, 1e7],
  quickValues: [1e3, 1e5],
  metrics: [
    { key: "lease_ms", title: "lease of 100, in milliseconds", digits: 2 },
    { key: "insert_ms", title: "insert of 100, in milliseconds", digits: 2 },
    { key: "delete_ms", title: "delete of 100, in milliseconds", digits: 2 },
    { key: "resident_mib", title: "resident memory of the server, in MiB" },
    { key: "peak_mib", title: "its peak so far, in MiB" },
  ],
  contenders: [
    {
      name: OURS,
      about: "the REST client's store against a server process with its defaults, on SQLite",
      places: [],
      measure: measured,
    },
  ],
  messages: () => 50,
  goals: [
    {
      what: "lease of 100 at 10⁷ stored tasks, against 10³",
      metric: "lease_ms",
      value: 1e7,
      quickValue: 1e5,
      toValue: 1e3,
      most: 1.3,
      unit: "×",
    },
    {
      what: "server memory with 10⁷ tasks stored",
      metric: "resident_mib",
      value: 1e7,
      quickValue: 1e5,
      most: 300,
      unit: "MiB",
    },
  ],
};
