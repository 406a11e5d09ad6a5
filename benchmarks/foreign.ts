import { run } from "./support/contenders.js";
import type { PlaceName } from "./support/places.js";
import { type Contender, OURS, type Question } from "./support/question.js";

function contender(name: string, server: PlaceName, about: string): Contender {
  return {
    name,
    about,
    places: [server],
    measure: async ({ value, messages, payloadBytes, places }) => {
      const { url } = await places.named(server);
      const flags = { messages, warmup: messages, payload: payloadBytes, inflight: Number(value) };
      return run({ path: "ours/foreign-client.mjs", url }, flags);
    },
  };
}

/** What becomes of those who know nothing of batches. */
export const question: Question = {
  name: "foreign",
  question: "How near is a plain v1beta2 client, one call for each task, to what HTTP costs by itself?",
  text: [
    "One client with so many connections inserts tasks one by one, then leases and deletes them one by one: three requests for each task, 1 KiB of payload.",
    "As many tasks go ahead, unmeasured.",
  ].join("\n"),
  parameter: "connections",
  values: [1, 10, 100],
  quickValues: [100],
  metrics: [
    { key: "requests_per_s", title: "requests a second, all three together" },
    { key: "insert_per_s", title: "tasks inserted a second" },
    { key: "drain_per_s", title: "tasks leased and deleted a second" },
  ],
  contenders: [
    contender(OURS, "server in memory", "`pullqueue serve` with its defaults, tasks in memory"),
    contender(
      "bare Hono",
      "bare server",
      "Hono on its Node server; parses the same requests, answers JSON of the same size, keeps nothing",
    ),
  ],
  messages: (value) => (value === 1 ? 2_000 : 10_000),
  goals: [
    {
      what: "plain v1beta2 client, 100 connections, requests against a bare Hono handler",
      metric: "requests_per_s",
      value: 100,
      to: "bare Hono",
      least: 0.8,
      unit: "×",
    },
  ],
};
