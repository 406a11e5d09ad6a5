// pullqueue, as its README shows it: a producer and a consumer of kombu's API, on whatever broker the URL names.
import { Connection, Exchange, Queue } from "@pullqueue/kombu";
import { runContender } from "../peers/contract.mjs";

await runContender(async ({ url, queue: name, prefetch, role }) => {
  const connection = new Connection(url);
  const exchange = new Exchange(name);
  const queue = new Queue(name, { exchange, routingKey: name });
  const bound = queue.bind(await connection.channel());
  await bound.declare();
  const producer = connection.producer({ exchange, routingKey: name });
  const stop = new AbortController();
  let running;
  return {
    prepare: () => bound.purge(),
    publish: (message) => producer.publish(message),
    async receive(onMessage, onSettled) {
      const handler = async (message) => {
        onMessage(message.payload);
        await message.ack();
        onSettled();
      };
      const consumer = connection.consumer(queue, { prefetchCount: prefetch });
      await consumer.consume();
      running = consumer.run(handler, { concurrency: prefetch, signal: stop.signal });
    },
    close: async () => {
      stop.abort();
      if (role !== "publish") await running;
      await connection.close();
    },
  };
});
