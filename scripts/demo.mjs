// What `npm start` shows: a producer and a consumer, each with a connection of its own, as if they were two programs.
import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "@pullqueue/kombu";

const PROJECT = "default";
const QUEUE = "demo";

/** Between two messages, in milliseconds: slow enough to read along. A run that ends by itself is quicker. */
const PAUSE_MS = 1000;
const QUICK_PAUSE_MS = 50;

/** Publishes and consumes until `messages` have come through, or until the signal. Resolves with what became of them. */
export async function runDemo({ endpoint, messages, signal }) {
  const connect = () =>
    new Connection({ transport: "appengine", transportOptions: { projectName: PROJECT, endpoint } });
  const producing = connect();
  const consuming = connect();
  const count = { published: 0, acknowledged: 0, left: 0 };
  try {
    const outgoing = producing.simpleQueue(QUEUE);
    const incoming = consuming.simpleQueue(QUEUE);
    const earlier = await outgoing.qsize();
    if (earlier > 0) print(`${earlier} messages are still there from last time`);
    // When one of the two fails there is nothing to show any more.
    const failure = new AbortController();
    const options = { count, messages, signal: AbortSignal.any([signal, failure.signal]) };
    const work = [produce(outgoing, options), consume(incoming, earlier + messages, options)];
    for (const part of work) part.catch((error) => failure.abort(error));
    await Promise.allSettled(work);
    if (!signal.aborted) failure.signal.throwIfAborted();
    count.left = await outgoing.qsize();
  } finally {
    await Promise.all([producing.close(), consuming.close()]);
  }
  return count;
}

async function produce(queue, { count, messages, signal }) {
  const pauseMs = messages === Number.POSITIVE_INFINITY ? PAUSE_MS : QUICK_PAUSE_MS;
  while (count.published < messages) {
    signal.throwIfAborted();
    const n = count.published + 1;
    await queue.put({ message: "hello", n });
    count.published = n;
    print(`put #${n} {"message":"hello"}`);
    await pause(pauseMs, undefined, { signal });
  }
}

async function consume(queue, expected, { count, signal }) {
  while (count.acknowledged < expected) {
    const message = await queue.get({ signal });
    // Somebody may have put something else into the queue.
    const n = message.payload?.n ?? "?";
    print(`          got #${n} ${JSON.stringify(message.payload?.message ?? message.text())}`);
    await message.ack();
    count.acknowledged += 1;
    print(`          acknowledged #${n}`);
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
