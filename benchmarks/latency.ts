import { latency } from "./support/contenders.js";
import type { Question } from "./support/question.js";
import { jetstream, type Method, oursOverHttp, rabbitmq } from "./support/usual.js";

/** Messages that a handler may be sent while it works on others; at these rates that is hardly ever more than one. */
const PREFETCH = 100;

/** How long messages are sent, in seconds, and how many at least. */
const SECONDS = 6;
const MESSAGES_MIN = 400;

const method: Method = (program, { value, messages, payloadBytes }) =>
  latency(program, { messages, payload: payloadBytes, rate: Number(value), prefetch: PREFETCH });

/** How long a message is on its way when nobody is in a hurry. */
export const question: Question = {
  name: "latency",
  question: "How long does a message take from before its publish to the handler?",
  text: [
    "A consumer waits; a producer publishes at an even rate, whatever becomes of earlier messages. Both are processes of their own and read the same",
    "clock. Two thousand messages go ahead, a thousand a second, and are left out: a worker runs for days, not for its first seconds.",
  ].join("\n"),
  parameter: "messages a second",
  values: [50, 200, 1000],
  quickValues: [50],
  metrics: [
    { key: "p50_ms", title: "half of the messages are faster than, in milliseconds", digits: 2 },
    { key: "p99_ms", title: "99 % of the messages are faster than, in milliseconds", digits: 2 },
  ],
  contenders: [oursOverHttp(method), rabbitmq(method), jetstream(method)],
  messages: (value) => Math.max(MESSAGES_MIN, Number(value) * SECONDS),
  goals: [
    {
      what: "publish to handler, p50 at 50 messages a second, against RabbitMQ",
      metric: "p50_ms",
      value: 50,
      to: "RabbitMQ",
      most: 1,
      unit: "×",
    },
  ],
};
