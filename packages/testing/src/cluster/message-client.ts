import { Connection, isKombuError, type Message } from "@pullqueue/kombu";
import type { Prng } from "../prng.js";
import type { MessageLedger, SeenDelivery } from "./message-ledger.js";
import type { Progress } from "./progress.js";

/** More messages than this outstanding, and publishers wait for consumers. */
const OUTSTANDING_MAX = 200;

/** How long a publisher that is far ahead waits before it looks again, in milliseconds. */
const PAUSE_MS = 20;

/** What tells a client that its broker is away, and not that it has done something wrong. */
const PASSING = new Set(["unavailable", "timeout"]);

/** What clients of one test share. */
export interface MessageClientContext {
  readonly url: string;
  readonly queue: string;
  readonly ledger: MessageLedger;
  readonly progress: Progress;
  /** Told about each failure that passes by itself. */
  readonly onFailure: (error: unknown) => void;
}

function connect({ url }: MessageClientContext): Connection {
  return new Connection({
    transport: "appengine",
    transportOptions: { projectName: "cluster", endpoint: url, leaseMs: 5_000 },
  });
}

/** Publishes until the signal, each message once; one connection for all of it. */
export async function publishUntil(
  signal: AbortSignal,
  name: string,
  context: MessageClientContext,
): Promise<void> {
  const { ledger, progress, onFailure } = context;
  await using connection = connect(context);
  const queue = connection.simpleQueue(context.queue);
  for (let count = 1; !signal.aborted; count++) {
    const key = `${name}-${count}`;
    ledger.publishing(key);
    try {
      await queue.put({ key });
      ledger.published(key);
      progress.answered();
    } catch (error) {
      if (!isPassing(error)) throw error;
      onFailure(error);
    }
    while (ledger.outstanding > OUTSTANDING_MAX && !signal.aborted) await pause(PAUSE_MS);
  }
}

/** Consumes until the signal, several messages at a time, with one consumer that nobody restarts. */
export async function consumeUntil(
  signal: AbortSignal,
  chance: Prng,
  context: MessageClientContext,
): Promise<void> {
  const { ledger, progress, onFailure } = context;
  await using connection = connect(context);
  const consumer = connection.consumer([connection.simpleQueue(context.queue).queue]);
  const handle = async (message: Message) => {
    const { key } = message.payload as { readonly key: string };
    const delivery: SeenDelivery = {
      key,
      retryCount: message.deliveryInfo.retryCount ?? 0,
      signal: message.signal,
    };
    ledger.began(delivery);
    try {
      await pause(chance.integer(0, PAUSE_MS));
      await message.ack();
      ledger.settled(delivery);
      progress.answered();
    } catch (error) {
      if (isPassing(error)) ledger.unclear(delivery);
      throw error;
    } finally {
      ledger.ended(delivery);
    }
  };
  const backoff = { initialMs: 10, maxMs: 100, factor: 2, jitter: 0.5 };
  await consumer.run(handle, { signal, concurrency: 4, backoff, onError: onFailure });
}

function isPassing(error: unknown): boolean {
  return isKombuError(error) && PASSING.has(error.code);
}

/** Foreign processes give no signal. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
