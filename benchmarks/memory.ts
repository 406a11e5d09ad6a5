import { run } from "./support/contenders.js";
import { type Job, OURS, type Question } from "./support/question.js";

/** Messages in flight, and the consumer's prefetch. */
const INFLIGHT = 100;

const WARMUP_SHARE = 0.1;

function measured({ value, messages }: Job, path: string, url: string) {
  const flags = { messages, warmup: Math.floor(messages * WARMUP_SHARE), payload: Number(value) };
  return run({ path, url }, { ...flags, role: "both", inflight: INFLIGHT, prefetch: INFLIGHT });
}

/** What the library itself costs: no broker, no other process. */
export const question: Question = {
  name: "memory",
  question: "How many messages a second go in and out of a queue in the program's own memory?",
  text: [
    "One process publishes all messages, then receives and acknowledges them: serialized, as with any broker. Nothing is durable.",
    `Ours has ${INFLIGHT} publishes in flight and a prefetch of ${INFLIGHT}; Python's kombu is synchronous.`,
  ].join("\n"),
  parameter: "bytes of each message",
  values: [128, 1024, 8192],
  quickValues: [1024],
  metrics: [
    { key: "publish_per_s", title: "published messages a second" },
    { key: "receive_per_s", title: "messages received and acknowledged a second" },
  ],
  contenders: [
    {
      name: OURS,
      about: "the memory transport",
      places: [],
      measure: (job) => measured(job, "ours/pullqueue.mjs", "memory://"),
    },
    {
      name: "Python kombu",
      about: "Debian's kombu with its memory transport",
      places: [],
      pythonModule: "kombu",
      measure: (job) => measured(job, "peers/kombu_bench.py", "memory://"),
    },
  ],
  messages: (value) => (Number(value) > 1024 ? 40_000 : 100_000),
  quickMessages: () => 40_000,
  goals: [
    { what: "memory transport, 1 KiB: publish, against Python kombu", metric: "publish_per_s" },
    {
      what: "memory transport, 1 KiB: receive and acknowledge, against Python kombu",
      metric: "receive_per_s",
    },
  ].map((goal) => ({ ...goal, value: 1024, to: "Python kombu", least: 5, unit: "×" })),
};
