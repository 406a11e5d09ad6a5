/**
 * Puts one message through the connection of a URL, gets it, acknowledges it and prints it.
 * Usage: put-and-get URL BODY
 */
import { Connection } from "@pullqueue/kombu";

const [url = "", body = ""] = process.argv.slice(2);

async function main(): Promise<void> {
  await using connection = new Connection(url);
  const queue = connection.simpleQueue("pull-queue");
  await queue.put(body, { timeoutMs: 5_000 });
  const message = await queue.get({ timeoutMs: 5_000 });
  await message.ack();
  process.stdout.write(`${message.text()}\n`);
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
