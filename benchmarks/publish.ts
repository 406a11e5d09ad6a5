import { publish } from "./support/contenders.js";
import type { Question } from "./support/question.js";
import { jetstream, type Method, oursOverHttp, rabbitmq, roundTrip } from "./support/usual.js";

const method: Method = (program, { value, messages, payloadBytes }) =>
  publish(program, { messages, payload: payloadBytes, inflight: Number(value) });

/** How fast messages get in. */
export const question: Question = {
  name: "publish",
  question: "How many messages a second does one producer publish, each confirmed?",
  text: "JSON of 1 KiB; a message counts when its `publish` has resolved. A tenth of the messages goes ahead, unmeasured.",
  parameter: "in flight",
  values: [1, 10, 100, 1000],
  quickValues: [1, 100],
  metrics: [{ key: "publish_per_s", title: "published messages a second" }],
  contenders: [oursOverHttp(method), rabbitmq(method), jetstream(method), roundTrip(method)],
  messages: (value) => ({ 1: 10_000, 10: 20_000 })[value] ?? 80_000,
  goals: [
    { what: "publish, 100 in flight, against RabbitMQ", value: 100, to: "RabbitMQ", least: 3 },
    { what: "publish, 100 in flight, against JetStream", value: 100, to: "JetStream", least: 2 },
    { what: "publish, one at a time, against RabbitMQ", value: 1, to: "RabbitMQ", least: 1 },
  ].map((goal) => ({ ...goal, metric: "publish_per_s", unit: "×" })),
};
