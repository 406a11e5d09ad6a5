// Takes a message of a queue, says so, and keeps it until it is killed. Arguments: URL, queue.
import { Connection } from "@pullqueue/kombu";

const [url = "", queue = ""] = process.argv.slice(2);
const connection = new Connection(url);
const message = await connection.simpleQueue(queue).get();
process.stdout.write(`held ${String(message.payload)}\n`);
setInterval(() => {}, 60_000);
