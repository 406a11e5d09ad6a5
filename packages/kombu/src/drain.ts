import type { Clock } from "@pullqueue/core";
import { answered } from "./answering.js";
import { type Check, signalCheck, timeoutCheck } from "./check.js";
import { KombuError } from "./errors.js";
import type { EventSource } from "./event-source.js";
import { RECEIVE_MS_MAX } from "./limits.js";
import type { Session } from "./session.js";
import { linkSignals, type Notifier } from "./waiting.js";

/** How long `drainEvents` waits. */
export interface DrainOptions {
  /** `timeout` after this long, in milliseconds; 0 looks once. Default: wait without end. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What these must be. */
export const DRAIN_CHECKS: Readonly<Record<keyof DrainOptions, Check>> = {
  timeoutMs: timeoutCheck,
  signal: signalCheck,
};

/** What is drained, and for how long. */
export interface DrainRequest {
  readonly session: Session;
  /** Consumers that are started now, the one whose turn it is first. */
  readonly sources: () => readonly EventSource[];
  /** In milliseconds; 0 looks once. Undefined: without end. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

const US_PER_MS = 1000;

/** Dispatches one event of one of the sources. Errors: `timeout`, the signal's reason, and what handling the event throws. */
export async function drainOne({ session, sources, timeoutMs, signal }: DrainRequest): Promise<void> {
  const { clock, changed } = session;
  const failure = () => session.failure;
  const untilUs = clock.nowUs() + (timeoutMs ?? Number.POSITIVE_INFINITY) * US_PER_MS;
  for (let hasLooked = false; ; hasLooked = true) {
    signal.throwIfAborted();
    const started = sources();
    for (const source of started) source.checkReady();
    for (const source of started) if (await source.dispatch()) return;
    const leftMs = Math.max(0, (untilUs - clock.nowUs()) / US_PER_MS);
    if (hasLooked && leftMs === 0) throw drainTimeout(timeoutMs ?? 0);
    const ready = started.filter((source) => source.canReceive);
    // Several look at once before they wait: of those that wait, all but the first are interrupted.
    const waitMs = !hasLooked && ready.length > 1 ? 0 : Math.min(leftMs, RECEIVE_MS_MAX);
    const isNews = () =>
      sources().some((source) => source.hasEvent || (source.canReceive && !ready.includes(source)));
    // Who receives ends by itself when time is up: only the broker's own answer tells whether there is none or it is away.
    const untilNewsUs = ready.length === 0 ? clock.nowUs() + waitMs * US_PER_MS : Number.POSITIVE_INFINITY;
    const asking = { clock, waitMs: leftMs > RECEIVE_MS_MAX ? undefined : waitMs, signal, failure };
    await answered(asking, (either = signal) =>
      fillAny(ready, { waitMs, signal: either }, (stop) =>
        untilNews(isNews, { clock, changed, untilUs: untilNewsUs, stop }),
      ),
    );
  }
}

/** Receives for all sources at once, until one of them has something or there is other news. */
async function fillAny(
  sources: readonly EventSource[],
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  news: (stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const link = linkSignals(signal);
  const fills = sources.map((source) => source.fill({ waitMs, signal: link.signal }));
  const change = news(link.signal);
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

/** Resolves when there is news, or time is up. Most changes are none: acknowledgements, say, whose consumer receives anyway. */
async function untilNews(
  isNews: () => boolean,
  options: {
    readonly clock: Clock;
    readonly changed: Notifier;
    readonly untilUs: number;
    readonly stop: AbortSignal;
  },
): Promise<void> {
  const { clock, changed, untilUs, stop } = options;
  while (!isNews()) {
    const leftMs = (untilUs - clock.nowUs()) / US_PER_MS;
    if (leftMs <= 0) return;
    await changed.wait(Math.min(leftMs, RECEIVE_MS_MAX), stop);
  }
}

/** What was thrown because no message came: a callback may throw `timeout` for reasons of its own. */
const idleTimeouts = new WeakSet<object>();

/** Whether an error of `drainEvents` says that no message came in time. */
export function isIdleTimeout(error: unknown): boolean {
  return typeof error === "object" && error !== null && idleTimeouts.has(error);
}

function drainTimeout(timeoutMs: number): KombuError {
  const error = new KombuError("timeout", `no message came within ${timeoutMs} ms`);
  idleTimeouts.add(error);
  return error;
}

/** What waiting without end for nothing gets. */
export function nothingToDrain(): KombuError {
  return new KombuError(
    "invalid_argument",
    "no consumer has been started, so that drainEvents would wait for ever; call consume() first, or give timeoutMs",
  );
}
