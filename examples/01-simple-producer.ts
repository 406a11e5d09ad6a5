// Puts messages into a queue. A server must be running: npx pullqueue serve
import { Connection } from "@pullqueue/kombu";

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project" }, // the server: PULLQUEUE_ENDPOINT, else http://127.0.0.1:8085
});
const queue = connection.simpleQueue("pull-queue");

for (const message of ["hello", "how are you", "goodbye"]) {
  await queue.put({ message }); // resolves when the server has it on its disk (but for --store memory:)
  console.log("put", message);
}
