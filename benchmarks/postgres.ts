import { publishAndReceive } from "./support/contenders.js";
import type { Contender, Job, Question } from "./support/question.js";
import { type Method, oursOverHttp } from "./support/usual.js";

/** Calls that the peers, which have batches instead of calls at a time, have under way. */
const CALLS = 4;

const ours: Method = (program, { value, messages, payloadBytes }) =>
  publishAndReceive(program, {
    messages,
    payload: payloadBytes,
    inflight: Number(value),
    prefetch: Number(value),
  });

/** A peer that is given whole batches of so many. */
function batching(name: string, path: string, packageName: string, about: string): Contender {
  return {
    name,
    about: `${about}, batches of as many messages as the others have in flight, ${CALLS} of them at a time`,
    places: ["postgres"],
    packages: [packageName],
    measure: async ({ value, messages, payloadBytes, places }: Job) => {
      const { url } = await places.named("postgres");
      const size = Number(value);
      return publishAndReceive(
        { path, url },
        { messages, payload: payloadBytes, batch: size, prefetch: size, inflight: CALLS, concurrency: CALLS },
      );
    },
  };
}

/** The same work where the database is PostgreSQL. */
export const question: Question = {
  name: "postgres",
  question: "How many messages a second go in and out when PostgreSQL keeps them?",
  text: [
    "One PostgreSQL for all, with `fsync` and `synchronous_commit` on. Ours is given each message by itself, and batches them on its own; pg-boss and plain",
    "SQL are given whole batches. pg-boss has no server of its own: its processes speak to the database, so that ours has one hop more.",
  ].join("\n"),
  parameter: "in flight",
  values: [100, 1000],
  quickValues: [1000],
  metrics: [
    { key: "publish_per_s", title: "published messages a second" },
    { key: "receive_per_s", title: "messages received and acknowledged a second" },
  ],
  contenders: [
    oursOverHttp(ours, "server on postgres"),
    batching("pg-boss", "peers/pg-boss.mjs", "pg-boss", "`insert`, `fetch` and `complete`"),
    batching(
      "plain SQL",
      "peers/plain-sql.mjs",
      "pg",
      "no library: one table, `INSERT` from an array, a lease by `SKIP LOCKED`, `DELETE`",
    ),
  ],
  messages: () => 40_000,
  goals: [
    { what: "server on PostgreSQL, 1000 in flight: publish, against pg-boss", metric: "publish_per_s" },
    {
      what: "server on PostgreSQL, prefetch 1000: receive and acknowledge, against pg-boss",
      metric: "receive_per_s",
    },
  ].map((goal) => ({ ...goal, value: 1000, to: "pg-boss", least: 1.2, unit: "×" })),
};
