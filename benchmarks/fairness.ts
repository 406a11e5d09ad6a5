import { latency, start } from "./support/contenders.js";
import type { Question } from "./support/question.js";
import { jetstream, type Method, oursOverHttp, rabbitmq } from "./support/usual.js";

/** What the quiet queue is sent, in messages a second. */
const QUIET_RATE = 50;
const QUIET_PREFETCH = 10;

/** Messages ahead of the measured ones: few, because beside the noise many would leave a row behind. */
const AHEAD = 200;

const method: Method = async (program, { value, messages, payloadBytes }) => {
  const noise = Number(value);
  const payload = { payload: payloadBytes };
  const quiet = { ...payload, messages, rate: QUIET_RATE, prefetch: QUIET_PREFETCH, queue: "quiet" };
  if (noise === 0) return { ...(await latency(program, quiet, AHEAD)), noise_per_s: 0 };
  const flags = { ...payload, role: "flood", queue: "noisy", inflight: noise, prefetch: noise };
  await using neighbour = start(program, flags);
  await neighbour.ready();
  const figures = await latency(program, quiet, AHEAD);
  neighbour.signal("SIGTERM");
  const { flood_per_s = 0 } = await neighbour.figures();
  return { ...figures, noise_per_s: flood_per_s };
};

/** Whether one queue's flood starves another. */
export const question: Question = {
  name: "fairness",
  question: "How long does a quiet queue's message take while another queue runs flat out?",
  text: [
    `The quiet queue is sent ${QUIET_RATE} messages a second, as in the question of latency. Another process publishes to the noisy one and consumes from it as fast as it can, with so many`,
    "messages in flight both ways; 0: there is no other. Five busy processes share the machine's cores, which alone makes all of them wait.",
  ].join("\n"),
  parameter: "noise, in flight",
  values: [0, 10, 100, 1000],
  quickValues: [0, 100],
  metrics: [
    {
      key: "p50_ms",
      title: "half of the quiet queue's messages are faster than, in milliseconds",
      digits: 2,
    },
    {
      key: "p99_ms",
      title: "99 % of the quiet queue's messages are faster than, in milliseconds",
      digits: 2,
    },
    { key: "noise_per_s", title: "messages a second through the noisy queue" },
  ],
  contenders: [oursOverHttp(method), rabbitmq(method), jetstream(method)],
  messages: () => 400,
  goals: [100, 1000].map((value) => ({
    what: `p99 of a quiet queue while a noisy one runs flat out, ${value} in flight, against itself without noise`,
    metric: "p99_ms",
    value,
    toValue: 0,
    most: 10,
    unit: "×",
  })),
};
