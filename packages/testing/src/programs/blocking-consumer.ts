/**
 * Takes messages of a queue all at once, and blocks its event loop while it handles the first; then acknowledges them one after the other.
 * Prints `handling TEXT` when it begins, `aborted CODE` when a message's signal has fired by then, and `acked TEXT` or `refused CODE`.
 * Arguments: URL, queue, how many messages, how long to block in milliseconds.
 */
import { Connection, isKombuError } from "@pullqueue/kombu";

const [url = "", queue = "", count = "1", blockMs = "0"] = process.argv.slice(2);

const say = (line: string) => void process.stdout.write(`${line}\n`);
const codeOf = (error: unknown) => (isKombuError(error) ? error.code : String(error));

async function main(): Promise<void> {
  await using connection = new Connection(url);
  const { queue: entity } = connection.simpleQueue(queue);
  let left = Number(count);
  const consumer = connection.consumer(entity, { prefetchCount: left });
  for await (const message of consumer) {
    say(`handling ${message.text()}`);
    const { signal } = message;
    // Nothing runs in this thread meanwhile: no timer, no socket.
    if (left === Number(count)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(blockMs));
    try {
      await message.ack();
      say(`acked ${message.text()}`);
    } catch (error) {
      say(`refused ${codeOf(error)}`);
    }
    if (signal.aborted) say(`aborted ${codeOf(signal.reason)}`);
    left -= 1;
    if (left === 0) return;
  }
}

main().catch((error: unknown) => {
  say(`failed ${error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
});
