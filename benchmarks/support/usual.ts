import type { Program } from "./contenders.js";
import type { PlaceName } from "./places.js";
import { type Contender, type Figures, type Job, OURS } from "./question.js";

/** How a contender's program is measured: a function of `contenders.ts`, with flags for the job at hand. */
export type Method = (program: Program, job: Job) => Promise<Figures>;

/** Ours over HTTP, with its server on one of its stores. */
export function oursOverHttp(method: Method, server: PlaceName = "server on sqlite"): Contender {
  const stores: Partial<Record<PlaceName, string>> = {
    "server on sqlite": "on an SQLite file, each message fsynced before its answer",
    "server on postgres": "on PostgreSQL, each message committed to disk before its answer",
  };
  return {
    name: OURS,
    about: `producer, server and consumer are processes of their own that speak plain HTTP; the server keeps its defaults, ${stores[server] ?? "in memory"}`,
    places: [server],
    measure: async (job) => {
      const { url } = await job.places.named(server);
      return method({ path: "ours/pullqueue.mjs", url: `${url.replace("http:", "appengine:")}/bench` }, job);
    },
  };
}

/** RabbitMQ by amqplib. */
export function rabbitmq(method: Method): Contender {
  return {
    name: "RabbitMQ",
    about:
      "amqplib with a channel that confirms, a durable classic queue, persistent messages; RabbitMQ fsyncs batches of them before it confirms",
    places: ["rabbitmq"],
    packages: ["amqplib"],
    measure: async (job) =>
      method({ path: "peers/amqplib.mjs", url: (await job.places.named("rabbitmq")).url }, job),
  };
}

/** NATS JetStream by its own client. */
export function jetstream(method: Method): Contender {
  return {
    name: "JetStream",
    about:
      "NATS with file storage, a work queue, explicit acknowledgement; its confirmation means that the message was written, not that it was fsynced (that happens every two minutes)",
    places: ["jetstream"],
    packages: ["@nats-io/jetstream"],
    measure: async (job) =>
      method({ path: "peers/jetstream.mjs", url: (await job.places.named("jetstream")).url }, job),
  };
}

/** The floor under what is durable over HTTP: not a broker, but what none can be faster than one at a time. */
export function roundTrip(method: Method): Contender {
  return {
    name: "round trip",
    about:
      "no broker: a bare Node server that appends each body to a file, with one fdatasync for each request, and a bare Node client",
    places: ["sync server"],
    measure: async (job) =>
      method({ path: "peers/round-trip.mjs", url: (await job.places.named("sync server")).url }, job),
  };
}
