import { isAway } from "./errors.js";
import { RECONNECT_MS } from "./limits.js";
import { waitAfter } from "./retry.js";
import type { Session } from "./session.js";
import { pause } from "./waiting.js";

const US_PER_MS = 1000;

/**
 * Receives, and tries again while the broker is away, for as long as there is time to wait for a message, and at most as long in a
 * row as the session's policy says: at once while there are places that were not tried, then after pauses. `receive` is told
 * how much of the time is left.
 */
export async function whileAway<T>(
  { size: attemptsPerRound, policy, clock, random }: Session,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  receive: (waitMs: number) => Promise<T>,
): Promise<T> {
  const { timeoutMs = RECONNECT_MS } = policy;
  const untilUs = clock.nowUs() + waitMs * US_PER_MS;
  let failedSinceUs: number | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await receive(Math.max(0, (untilUs - clock.nowUs()) / US_PER_MS));
    } catch (error) {
      const isOwn = signal.aborted && error === signal.reason; // Its caller's time may be up.
      if (isOwn || !isAway(error)) throw error;
      const pauseMs = waitAfter(error, attempt, policy, { random, attemptsPerRound });
      if (pauseMs === 0) continue; // Even when time is up, there are places that may have a message now.
      const nowUs = clock.nowUs();
      failedSinceUs ??= nowUs;
      const endUs = Math.min(untilUs, failedSinceUs + timeoutMs * US_PER_MS);
      if (pauseMs === undefined || nowUs + pauseMs * US_PER_MS > endUs) throw error;
      await pause(clock, pauseMs, signal);
    }
  }
}
