/**
 * A program of the tests: five consumers of one queue that live through an outage. Prints `ready`, then `got N` for each message;
 * for each line of its input `LINE MS`, the processor time that it has used. Ends with its input. Usage: outage-consumers OPTIONS QUEUE
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Connection, type ConnectionOptions, type Message, Queue } from "@pullqueue/kombu";

const [options = "{}", name = ""] = process.argv.slice(2);

/** As many as a small worker has. */
const CONSUMERS = 5;

const US_PER_MS = 1000;

async function main(): Promise<void> {
  const stop = new AbortController();
  await using connection = new Connection(JSON.parse(options) as ConnectionOptions);
  const queue = new Queue(name);
  await queue.bind(await connection.channel()).declare();
  const handler = (message: Message) => void process.stdout.write(`got ${String(message.payload)}\n`);
  const running = Array.from({ length: CONSUMERS }, () =>
    connection.consumer(queue).run(handler, { signal: stop.signal, onError: () => {} }),
  );
  const input = createInterface({ input: process.stdin });
  input.on("line", (line) => {
    const { user, system } = process.cpuUsage();
    process.stdout.write(`${line} ${Math.round((user + system) / US_PER_MS)}\n`);
  });
  process.stdout.write("ready\n");
  await once(input, "close");
  stop.abort();
  await Promise.all(running);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
