import type { Clock } from "./clock.js";

/** A shared promise as seen by one caller: after an abort it rejects with the reason, and what is shared goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Resolves after `ms`, or as soon as one of the signals fires; never rejects. Keeps the process alive. */
export function pause(
  clock: Clock,
  ms: number,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<void> {
  if (signals.some((signal) => signal?.aborted === true)) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      cancelTimer();
      for (const signal of signals) signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancelTimer = clock.timer(ms, end, { keepAlive: true });
    for (const signal of signals) signal?.addEventListener("abort", end, { once: true });
  });
}

/** A signal that follows several until `release` is called. (`AbortSignal.any` holds on to long-lived ones.) */
export function followSignals(...signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const abort = () => controller.abort(signals.find((signal) => signal?.aborted === true)?.reason);
  for (const signal of signals) signal?.addEventListener("abort", abort, { once: true });
  if (signals.some((signal) => signal?.aborted === true)) abort();
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of signals) signal?.removeEventListener("abort", abort);
    },
  };
}
