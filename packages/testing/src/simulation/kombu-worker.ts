import { Connection, isKombuError, type Message, Queue, VirtualTransport } from "@pullqueue/kombu";
import type { ClientProcess } from "./client.js";
import { keyOfPayload, payloadText } from "./payload-key.js";
import type { Stage } from "./stage.js";

/** A kombu connection over the network of a simulated world, as the transport `appengine` makes it over sockets. */
function connect(client: ClientProcess, project: string, leaseMs: number): Connection {
  return new Connection({
    clock: client.clock,
    random: client.random,
    transport: async function appengine(context) {
      const lease = {
        leaseMs,
        pollingIntervalMs: 1000,
        numTasks: undefined,
        holdMsMax: undefined,
        deadletterQueue: undefined,
      };
      return new VirtualTransport({ store: client.openStore(), name: "appengine", project, context, lease });
    },
  });
}

/** Consumes with kombu, whose lease keeper renews while handlers run, and publishes now and then, until the storm is over. */
export async function consume(client: ClientProcess, stage: Stage): Promise<void> {
  const { chance } = client;
  const { project } = stage.queues[0]!;
  const connection = connect(client, project, chance.pick([2_000, 10_000, 30_000]));
  const queues = stage.queues.map(({ queue }) => new Queue(queue));
  const producing = produceMessages(client, stage, connection);
  while (!stage.over.aborted) {
    try {
      const consumer = connection.consumer(queues, { prefetchCount: chance.pick([1, 2, 5]) });
      await consumer.run((message) => handle(client, stage, message), {
        concurrency: chance.pick([1, 3]),
        signal: stage.over,
        backoff: { initialMs: 500, maxMs: 20_000, factor: 2, jitter: 0.5 },
        onError: (error) => stage.trace.add(client.name, `reports ${codeOf(error)}`),
      });
    } catch (error) {
      // Its queues could not be declared.
      stage.trace.add(client.name, `cannot begin: ${codeOf(error)}`);
      await client.pause(chance.integer(500, 5_000), stage.over);
    }
  }
  await producing;
  await connection.close();
}

async function handle(client: ClientProcess, stage: Stage, message: Message): Promise<void> {
  const { chance } = client;
  const key = keyOfPayload(bytesOf(message));
  const { retryCount } = message.deliveryInfo;
  stage.trace.add(client.name, `handles ${key}, lease ${retryCount}`);
  // Far longer than its lease, now and then: renewals must keep it.
  await client.pause(chance.pick([0, 500, 5_000, 60_000]), message.signal);
  stage.trace.add(client.name, `has handled ${key}${message.signal.aborted ? ", interrupted" : ""}`);
  if (chance.integer(0, 9) === 0) throw new Error("the handler fails");
  if (message.signal.aborted || chance.integer(0, 1) === 0) return; // Settled by `run`.
  await acknowledge(client, stage, message, key);
}

async function acknowledge(
  client: ClientProcess,
  stage: Stage,
  message: Message,
  key: string,
): Promise<void> {
  const { queue, taskId = "", retryCount = 0 } = message.deliveryInfo;
  const { project } = stage.queues[0]!;
  try {
    await message.ack();
    stage.promises.wasAcknowledged(key, { project, queue });
    stage.trace.add(client.name, `acknowledges ${key}`);
  } catch (error) {
    stage.trace.add(client.name, `cannot acknowledge ${key}: ${codeOf(error)}`);
    if (isKombuError(error, "lease_lost")) {
      stage.promises.wasRefused(key, { project, queue }, { id: taskId, retryCount });
    }
    throw error;
  }
}

async function produceMessages(client: ClientProcess, stage: Stage, connection: Connection): Promise<void> {
  const { chance } = client;
  const producer = connection.producer();
  for (let count = 1; !stage.over.aborted; count++) {
    await client.pause(chance.integer(5_000, 60_000), stage.over);
    const key = `${client.name}/${count}`;
    const { queue } = chance.pick(stage.queues);
    try {
      const { queues } = await producer.publish(payloadText(key, 10), {
        routingKey: queue,
        declare: [new Queue(queue)],
      });
      if (queues?.length !== 0) stage.promises.wasPublished(key);
    } catch (error) {
      stage.trace.add(client.name, `does not know whether ${key} is stored: ${codeOf(error)}`);
      stage.promises.wasUnclear();
    }
  }
}

/** The body as it was published: bytes of raw tasks, text of messages. */
function bytesOf(message: Message): Uint8Array {
  return Buffer.from(message.text());
}

function codeOf(error: unknown): string {
  return isKombuError(error) ? error.code : String(error);
}
