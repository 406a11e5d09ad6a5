import type { Clock } from "@pullqueue/core";
import type { EventSource } from "./channel.js";
import { KombuError } from "./errors.js";
import { RECEIVE_MS_MAX } from "./limits.js";
import { linkSignals, type Notifier } from "./waiting.js";

/** What is drained, and for how long. */
export interface DrainRequest {
  readonly clock: Clock;
  /** Consumers that are started now, in the order of their turn. */
  readonly sources: () => readonly EventSource[];
  /** Told when another consumer starts or has room. */
  readonly changed: Notifier;
  /** In milliseconds; 0 looks once. Undefined: without end. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

const US_PER_MS = 1000;

/** Dispatches one event of one of the sources. Errors: `timeout`, the signal's reason, and what handling the event throws. */
export async function drainOne({ clock, sources, changed, timeoutMs, signal }: DrainRequest): Promise<void> {
  const untilUs = clock.nowUs() + (timeoutMs ?? Number.POSITIVE_INFINITY) * US_PER_MS;
  for (let hasLooked = false; ; hasLooked = true) {
    signal.throwIfAborted();
    const started = sources();
    for (const source of started) source.checkReady();
    for (const source of started) if (await source.dispatch()) return;
    const leftMs = Math.max(0, (untilUs - clock.nowUs()) / US_PER_MS);
    if (hasLooked && leftMs === 0) throw drainTimeout(timeoutMs ?? 0);
    const ready = started.filter((source) => source.canReceive);
    await fillAny(ready, Math.min(leftMs, RECEIVE_MS_MAX), changed, signal);
  }
}

/** Receives for all sources at once, until one of them has something or what there is to wait for has changed. */
async function fillAny(
  sources: readonly EventSource[],
  waitMs: number,
  changed: Notifier,
  signal: AbortSignal,
): Promise<void> {
  const link = linkSignals(signal);
  const fills = sources.map((source) => source.fill({ waitMs, signal: link.signal }));
  const change = changed.wait(waitMs, link.signal);
  try {
    // A look without waiting is awaited whole; otherwise the first to end decides.
    if (waitMs === 0) await Promise.all(fills);
    else await Promise.race([...fills, change]);
  } finally {
    // What the others receive nevertheless waits in their buffers, and is not lost.
    link.abort(new KombuError("closed", "another consumer had a message first"));
    await Promise.allSettled([...fills, change]);
    link.end();
  }
}

function drainTimeout(timeoutMs: number): KombuError {
  return new KombuError("timeout", `no message came within ${timeoutMs} ms`);
}
