import { REDIS_BATCH_BYTES, REDIS_BATCH_ITEMS } from "../limits.js";
import type { RedisClient } from "./redis-client.js";

/** What becomes of items that go together. */
export interface RedisBatchesOptions<I, R> {
  /** Does all of them in one script, and gives what came of each. Doing one again that is done must be harmless. */
  readonly run: (client: RedisClient, items: readonly I[]) => Promise<readonly R[]>;
  /** Bytes of an item. Default: none worth counting. */
  readonly weigh?: (item: I) => number;
}

interface Waiting<I, R> {
  readonly item: I;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets what is asked of Redis in one turn of the event loop share a script: one command to write, to read and to log, and with
 * `appendfsync always` one fsync. What comes alone does not wait for others.
 */
export class RedisBatches<I, R> {
  readonly #options: RedisBatchesOptions<I, R>;
  readonly #waiting = new Map<RedisClient, Waiting<I, R>[]>();

  constructor(options: RedisBatchesOptions<I, R>) {
    this.#options = options;
  }

  /** What came of the item. Errors: those of Redis. */
  add(client: RedisClient, item: I): Promise<R> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(client);
      const one = { item, resolve, reject };
      if (waiting !== undefined) return void waiting.push(one);
      this.#waiting.set(client, [one]);
      process.nextTick(() => this.#send(client));
    });
  }

  #send(client: RedisClient): void {
    const all = this.#waiting.get(client) ?? [];
    this.#waiting.delete(client);
    const { weigh = () => 0 } = this.#options;
    let [batch, bytes]: [Waiting<I, R>[], number] = [[], 0];
    for (const one of all) {
      const weight = weigh(one.item);
      if (batch.length === REDIS_BATCH_ITEMS || (batch.length > 0 && bytes + weight > REDIS_BATCH_BYTES)) {
        void this.#run(client, batch);
        [batch, bytes] = [[], 0];
      }
      batch.push(one);
      bytes += weight;
    }
    void this.#run(client, batch);
  }

  /** Never rejects. What Redis refuses is tried by itself, so that a bad one cannot fail the others. */
  async #run(client: RedisClient, batch: readonly Waiting<I, R>[]): Promise<void> {
    try {
      const results = await this.#options.run(
        client,
        batch.map(({ item }) => item),
      );
      for (const [index, { resolve }] of batch.entries()) resolve(results[index]!);
    } catch (error) {
      const isRefusal = error instanceof Error && error.name === "ReplyError";
      if (isRefusal && batch.length > 1) for (const one of batch) void this.#run(client, [one]);
      else for (const { reject } of batch) reject(error);
    }
  }
}
