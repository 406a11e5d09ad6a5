// Works on the messages of 03-advanced-producer.ts, four at a time, until Ctrl-C; then ends what runs and gives back the rest.
import { Connection, Queue } from "@pullqueue/kombu";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project" },
});
const consumer = connection.consumer(
  new Queue("pull-queue", { exchange: "appengine", routingKey: "pull-queue" }),
);

// A handler that returns acknowledges its message; one that throws gives it back for a later attempt.
await consumer.run(
  async (message) => {
    console.log("working on", message.payload);
  },
  { concurrency: 4, signal: stop.signal },
);
console.log("stopped");
