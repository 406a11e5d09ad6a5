// Sends to the Python program beside it, and takes its answers: 08-beside-python.py, with the package kombu. Neither
// knows what the other is written in. BROKER_URL: redis://… or amqp://… (default: Redis on this machine).
import { Connection } from "@pullqueue/kombu";

await using connection = new Connection(process.env.BROKER_URL ?? "redis://127.0.0.1:6379/0");
const toPython = connection.simpleQueue("to-python");
const toNode = connection.simpleQueue("to-node");

await toPython.put({ numbers: [1, 2, 3] }, { headers: { from: "Node" } });
console.log("asked");

const message = await toNode.get({ timeoutMs: 30_000 });
console.log("answer from", message.headers.from, message.payload);
await message.ack();
