import { receive } from "./support/contenders.js";
import type { Question } from "./support/question.js";
import { jetstream, type Method, oursOverHttp, rabbitmq } from "./support/usual.js";

const method: Method = (program, { value, messages, payloadBytes }) =>
  receive(program, { messages, payload: payloadBytes, prefetch: Number(value) });

/** How fast messages get out. */
export const question: Question = {
  name: "receive",
  question: "How many messages a second does one consumer receive and acknowledge?",
  text: [
    "The queue is filled first, by another process. A message counts when its body is decoded and it is acknowledged: ours when the server",
    "has answered that it is deleted, durably; the others' clients are told nothing of that, so theirs count when the acknowledgement was written.",
  ].join("\n"),
  parameter: "prefetch",
  values: [1, 10, 100, 1000],
  quickValues: [100, 1000],
  metrics: [{ key: "receive_per_s", title: "messages received and acknowledged a second" }],
  contenders: [oursOverHttp(method), rabbitmq(method), jetstream(method)],
  messages: (value) => ({ 1: 2_000, 10: 8_000 })[value] ?? 80_000,
  goals: [1000, 100].flatMap((value) => [
    {
      what: `receive and acknowledge, prefetch ${value}, against RabbitMQ`,
      metric: "receive_per_s",
      value,
      to: "RabbitMQ",
      least: 1.5,
      unit: "×",
    },
    {
      what: `receive and acknowledge, prefetch ${value}, against JetStream`,
      metric: "receive_per_s",
      value,
      to: "JetStream",
      least: 1,
      unit: "×",
    },
  ]),
};
