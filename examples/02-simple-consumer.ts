// Gets the messages of 01-simple-producer.ts and acknowledges them, until none comes for a second.
import { Connection, isEmpty } from "@pullqueue/kombu";

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project" },
});
const queue = connection.simpleQueue("pull-queue");

try {
  for (;;) {
    const message = await queue.get({ timeoutMs: 1_000 }); // leases the task
    console.log("got", message.payload);
    await message.ack(); // deletes it
  }
} catch (error) {
  if (!isEmpty(error)) throw error;
  console.log("the queue is empty");
}
