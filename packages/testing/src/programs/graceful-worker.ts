/**
 * A worker of the tests, as users write theirs: it ends by SIGTERM. Prints `ready`, `started N` and `done N` for each message, and
 * `stopped` when all is closed. Its handlers wait for a line of standard input, and pay no heed to being told to stop.
 * Usage: graceful-worker URL QUEUE CONCURRENCY GRACE-MS END-MS
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Connection, Queue, Worker } from "@pullqueue/kombu";

const [url = "", name = "", concurrency = "", graceMs = "", endMs = ""] = process.argv.slice(2);

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Says when it is ready. */
class SpeakingWorker extends Worker {
  override onConsumeReady(): void {
    say("ready");
  }
}

const input = createInterface({ input: process.stdin });
const released = once(input, "line");
const worker = new SpeakingWorker(new Connection(url), {
  queues: new Queue(name),
  ...{ concurrency: Number(concurrency), prefetchCount: 2 * Number(concurrency) },
  ...{ graceMs: Number(graceMs), endMs: Number(endMs), handleSignals: true },
  handler: async ({ payload }) => {
    say(`started ${String(payload)}`);
    await released;
    say(`done ${String(payload)}`);
  },
});
await worker.run();
say("stopped");
input.close();
