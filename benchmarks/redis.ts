import { type Program, publishAndReceive } from "./support/contenders.js";
import type { PlaceName } from "./support/places.js";
import { type Contender, type Figures, type Job, OURS, type Question } from "./support/question.js";

/** Messages in flight, and the consumer's prefetch. */
const INFLIGHT = 100;

/** Python's kombu publishes one at a time, and so slowly that it is given fewer messages. */
const PYTHON_SHARE = 4;

async function measured(
  { value, messages, payloadBytes, places }: Job,
  program: Omit<Program, "url">,
  share = 1,
): Promise<Figures> {
  const { url } = await places.named(`redis, ${value}` as PlaceName);
  return publishAndReceive(
    { ...program, url },
    {
      messages: Math.ceil(messages / share),
      payload: payloadBytes,
      inflight: INFLIGHT,
      prefetch: INFLIGHT,
    },
  );
}

const redis = {
  places: ["redis, always", "redis, everysec", "redis, snapshots"],
} as const satisfies Partial<Contender>;

/** A broker that others know how to use, too. */
export const question: Question = {
  name: "redis",
  question: "How many messages a second go in and out of Redis?",
  text: [
    `One Redis for all, ${INFLIGHT} messages in flight and a prefetch of ${INFLIGHT}; what varies is when Redis fsyncs what it was given: \`always\` before it answers,`,
    "`everysec` once a second, `snapshots` now and then (as Redis comes). Ours writes kombu's own layout, so that Python's workers may take part.",
  ].join("\n"),
  parameter: "fsync",
  values: ["always", "everysec", "snapshots"],
  quickValues: ["always"],
  metrics: [
    { key: "publish_per_s", title: "published messages a second" },
    { key: "receive_per_s", title: "messages received and acknowledged a second" },
  ],
  contenders: [
    {
      ...redis,
      name: OURS,
      about: "the Redis transport; no server of ours",
      measure: (job) => measured(job, { path: "ours/pullqueue.mjs" }),
    },
    {
      ...redis,
      name: "Python kombu",
      about:
        "Debian's kombu, `Producer.publish` and `Consumer`; publishing is synchronous, one message at a time",
      pythonModule: "redis",
      measure: (job) =>
        measured(job, { path: "peers/kombu_bench.py", flags: { variant: "redis" } }, PYTHON_SHARE),
    },
    {
      ...redis,
      name: "BullMQ",
      about: "`Queue.add` and a `Worker`, whose jobs are removed when they are done",
      packages: ["bullmq"],
      measure: (job) => measured(job, { path: "peers/bullmq.mjs" }),
    },
  ],
  messages: () => 20_000,
  goals: [
    {
      what: "Redis, fsync always: publish, against Python kombu",
      metric: "publish_per_s",
      to: "Python kombu",
      least: 5,
    },
    {
      what: "Redis, fsync always: receive, against Python kombu",
      metric: "receive_per_s",
      to: "Python kombu",
      least: 5,
    },
    { what: "Redis, fsync always: publish, against BullMQ", metric: "publish_per_s", to: "BullMQ", least: 1 },
    { what: "Redis, fsync always: receive, against BullMQ", metric: "receive_per_s", to: "BullMQ", least: 1 },
  ].map((goal) => ({ ...goal, value: "always", unit: "×" })),
};
