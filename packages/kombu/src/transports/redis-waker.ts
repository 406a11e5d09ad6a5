import type { Clock } from "@pullqueue/core";
import { linkSignals, Notifier } from "../waiting.js";
import type { RedisSockets } from "./redis-link.js";

/** News about keys. It is registered before its owner looks at them, so that nothing is missed between looking and waiting. */
export interface KeyNews {
  /** Resolves at the first news since it was registered, or after `ms`; rejects with a signal's reason. */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>;
  end(): void;
}

interface Waiter {
  readonly keys: ReadonlySet<string>;
  readonly tell: () => void;
}

/**
 * Waits for keys to change without taking anything from them. A call that waits for an item and takes it (BRPOP, BLMPOP) hands
 * it to a process that may be gone by then, and BLMOVE, which keeps it, waits for one list only, where four belong to each
 * queue. So Redis is asked to tell once when one of the keys changes (`CLIENT TRACKING`, since 6.0): one socket, no time-outs,
 * any number of queues, and whatever program changes them.
 */
export class RedisWaker {
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock, closing: AbortSignal) {
    this.#clock = clock;
    this.#closing = closing;
  }

  /** Begins to watch keys. What is asked of the sockets afterwards is answered after they are watched. */
  watch(keys: readonly string[], { main, tracks }: RedisSockets): KeyNews {
    const notifier = new Notifier(this.#clock);
    let isNews = false;
    const waiter: Waiter = {
      keys: new Set(keys.map(asBytes)),
      tell: () => {
        isNews = true;
        notifier.notify();
      },
    };
    this.#waiters.add(waiter);
    if (tracks) {
      // One after the other on one socket: the first holds for the second alone. Where they fail, so does the look that follows.
      main.call("CLIENT", "CACHING", "YES").catch(() => {});
      main.call("EXISTS", ...keys).catch(() => {});
    }
    return {
      wait: async (ms, signal) => {
        if (isNews) return;
        const link = linkSignals(this.#closing, signal);
        await notifier.wait(ms, link.signal).finally(() => link.end());
      },
      end: () => void this.#waiters.delete(waiter),
    };
  }

  /** Keys have changed; null: all of them may have. */
  changed(keys: readonly Buffer[] | null): void {
    const names = keys?.map((key) => key.toString("latin1"));
    for (const { keys: watched, tell } of [...this.#waiters]) {
      if (names === undefined || names.some((name) => watched.has(name))) tell();
    }
  }
}

function asBytes(key: string): string {
  return Buffer.from(key, "utf8").toString("latin1");
}
