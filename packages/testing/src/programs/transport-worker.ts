/**
 * A program of the tests that uses the library: prints `got TEXT` for each message of one queue and acknowledges it, and
 * publishes each line of its standard input, raw, to another. Prints `ready` first, and ends with its input.
 * Usage: transport-worker URL QUEUE-TO-READ QUEUE-TO-WRITE
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Connection, isEmpty } from "@pullqueue/kombu";

const [url = "", readName = "", writeName = ""] = process.argv.slice(2);

/** How long one look for a message waits, in milliseconds: longer than the test does. */
const LOOK_MS = 600_000;

async function main(): Promise<void> {
  await using connection = new Connection(url);
  const stop = new AbortController();
  const publishing: Promise<unknown>[] = [];
  const target = connection.simpleQueue(writeName);
  const input = createInterface({ input: process.stdin });
  input.on("line", (line) => void publishing.push(target.put(Buffer.from(line), { envelope: false })));
  const closed = once(input, "close").then(() => stop.abort());
  const reading = printMessages(connection, stop.signal);
  process.stdout.write("ready\n");
  await Promise.all([closed, reading]);
  await Promise.all(publishing);
}

async function printMessages(connection: Connection, signal: AbortSignal): Promise<void> {
  const source = connection.simpleQueue(readName);
  while (!signal.aborted) {
    try {
      const message = await source.get({ timeoutMs: LOOK_MS, signal });
      process.stdout.write(`got ${message.text()}\n`);
      await message.ack();
    } catch (error) {
      if (!isEmpty(error) && error !== signal.reason) throw error;
    }
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
