// Sends to the Python program beside it, and takes its answers: 08-beside-python.py, with the package kombu. Neither
// knows what the other is written in. BROKER_URL: redis://… or amqp://… (default: Redis on this machine).
import { Connection, isEmpty } from "@pullqueue/kombu";

await using connection = new Connection(process.env.BROKER_URL ?? "redis://127.0.0.1:6379/0");
const toPython = connection.simpleQueue("to-python");
const toNode = connection.simpleQueue("to-node");
await toPython.clear(); // what an earlier run left
await toNode.clear();

await toPython.put({ numbers: [1, 2, 3] }, { headers: { from: "Node" } });
console.log("asked; waiting 30 seconds for 08-beside-python.py");

try {
  const message = await toNode.get({ timeoutMs: 30_000 });
  console.log("answer from", message.headers.from, message.payload);
  await message.ack();
} catch (error) {
  if (!isEmpty(error)) throw error;
  await toPython.clear(); // nobody waits for the answer any more
  console.error(
    "nobody answered: start /usr/bin/python3 examples/08-beside-python.py first, with the same BROKER_URL",
  );
  process.exitCode = 1;
}
