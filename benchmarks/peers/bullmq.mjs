// BullMQ on Redis, as its documentation shows it. --prefetch is the worker's concurrency.
import { Queue, Worker } from "bullmq";
import { runContender } from "./contract.mjs";

const JOB_OPTIONS = { removeOnComplete: true };

await runContender(async ({ url, queue: name, prefetch }) => {
  const { hostname: host, port } = new URL(url);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection });
  return {
    prepare: () => queue.obliterate({ force: true }),
    publish: (message) => queue.add("job", message, JOB_OPTIONS),
    async receive(onMessage, onSettled) {
      const handler = async ({ data }) => onMessage(data);
      new Worker(name, handler, { connection, concurrency: prefetch }).on("completed", () => onSettled());
    },
    close: async () => {}, // The process ends, and with it what would wait for jobs for seconds.
  };
});
