// RabbitMQ with amqplib: durable queue, persistent messages, each confirmed. amqplib leaves Nagle's algorithm on; a user in a hurry turns it off.
import { connect } from "amqplib";
import { runContender } from "./contract.mjs";

await runContender(async ({ url, queue, prefetch }) => {
  const connection = await connect(url, { noDelay: true });
  const publishing = await connection.createConfirmChannel();
  const consuming = await connection.createChannel();
  await publishing.assertQueue(queue, { durable: true });
  await consuming.prefetch(prefetch);
  return {
    prepare: () => publishing.purgeQueue(queue),
    publish: (message) =>
      new Promise((resolve, reject) => {
        const body = Buffer.from(JSON.stringify(message));
        publishing.sendToQueue(queue, body, { persistent: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    async receive(onMessage, onSettled) {
      await consuming.consume(queue, (message) => {
        onMessage(JSON.parse(message.content.toString()));
        consuming.ack(message); // AMQP does not confirm it.
        onSettled();
      });
    },
    close: () => connection.close(),
  };
});
