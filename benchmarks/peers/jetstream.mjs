// NATS JetStream: file storage, a work queue, acknowledged one by one. Its file store syncs every two minutes, not for each message.
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { runContender } from "./contract.mjs";

/** JetStream's own default for messages that are handed out and not acknowledged. */
const ACK_PENDING_MIN = 1000;

await runContender(async ({ url, queue, prefetch, role }) => {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const stream = jetstream(connection);
  const prepare = async () => {
    await manager.streams.delete(queue).catch(() => {}); // There is none at first.
    await manager.streams.add({
      name: queue,
      subjects: [queue],
      storage: "file",
      retention: "workqueue",
    });
    await addConsumer();
  };
  const addConsumer = () =>
    manager.consumers.add(queue, {
      durable_name: "consumer",
      ack_policy: "explicit",
      max_ack_pending: Math.max(ACK_PENDING_MIN, prefetch),
    });
  let messages;
  return {
    prepare,
    publish: (message) => stream.publish(queue, JSON.stringify(message)),
    async receive(onMessage, onSettled) {
      const consumer = await stream.consumers.get(queue, "consumer");
      messages = await consumer.consume({ max_messages: prefetch });
      void (async () => {
        for await (const message of messages) {
          onMessage(message.json());
          message.ack();
          onSettled();
        }
      })();
    },
    close: async () => {
      if (role !== "publish") await messages?.close();
      await connection.close(); // Sends what is still to be sent.
    },
  };
});
