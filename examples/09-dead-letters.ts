// A message that nobody can work on goes to a queue beside after its third attempt, and says there why.
import { Connection, Queue, Worker } from "@pullqueue/kombu";

await using connection = new Connection("memory://bakery");
const failed = new Queue("failed-orders");
const orders = connection.simpleQueue("orders");
await orders.put({ cakes: 2 });
await orders.put({ cakes: -1 });

const worker = new Worker(connection, {
  queues: orders.queue,
  attemptsMax: 3,
  deadLetter: { queue: failed },
  backoff: { initialMs: 10, maxMs: 100, factor: 2, jitter: 0 }, // pauses between attempts
  onError: () => {}, // what a handler threw; a warning of the process unless told otherwise
  handler: ({ payload, deliveryInfo }) => {
    const { cakes } = payload as { cakes: number };
    console.log("baking", cakes, "attempt", deliveryInfo.attempts);
    if (cakes < 0) throw new Error("no such cake");
  },
});
const running = worker.run();

await using dead = connection.simpleQueue(failed);
const message = await dead.get({ timeoutMs: 10_000 });
console.log("given up:", message.payload, message.headers["x-death"]);
await message.ack();
await worker.stop();
await running;
