// Works on the messages of 03-advanced-producer.ts, four at a time, until Ctrl-C; then ends what runs and gives back the rest.
import { Connection, Queue, Worker } from "@pullqueue/kombu";

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project" },
});

// A handler that returns acknowledges its message; one that throws gives it back for a later attempt.
const worker = new Worker(connection, {
  queues: new Queue("pull-queue", { exchange: "appengine", routingKey: "pull-queue" }),
  handler: async (message) => {
    console.log("working on", message.payload);
  },
  concurrency: 4,
  handleSignals: true,
});
await worker.run();
console.log("stopped");
