import type { Clock } from "./clock.js";
import type { AuthError } from "./errors.js";

/** A shared promise as seen by one caller: after an abort it rejects with the reason, and what is shared goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {}); // Nobody awaits it any more.
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * Gives work a signal that fires after `timeoutMs` with `late()`, or with the reason of `signal` if that is first; and rejects then, whether
 * the work minds its signal or not. Keeps the process alive meanwhile.
 */
export async function withinTime<T>(
  limit: {
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly late: () => AuthError;
    readonly signal?: AbortSignal | undefined;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, timeoutMs, late, signal } = limit;
  signal?.throwIfAborted();
  const ending = new AbortController();
  const forward = () => ending.abort(signal?.reason);
  const cancel = clock.timer(timeoutMs, () => ending.abort(late()), { keepAlive: true });
  signal?.addEventListener("abort", forward, { once: true });
  try {
    return await abortable(work(ending.signal), ending.signal);
  } finally {
    cancel();
    signal?.removeEventListener("abort", forward);
  }
}
