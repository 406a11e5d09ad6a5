import { withinTime } from "../abortable.js";
import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import { SERVER_TIME_TIMEOUT_MS } from "../limits.js";
import { isConfidential } from "../loopback.js";

/**
 * A server's time by its Date header, in milliseconds since the epoch; undefined where it says none or cannot be asked. Nothing is sent to it,
 * and no answer is believed that somebody on the way could have written. Rejects with the signal's reason only.
 */
export async function serverTimeMs(
  address: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<number | undefined> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !isConfidential(url)) return undefined;
  const late = () => new AuthError("timeout", `${url.origin} did not tell its time`);
  try {
    return await withinTime({ clock, timeoutMs: SERVER_TIME_TIMEOUT_MS, late, signal }, async (ending) => {
      const response = await fetch(url, { method: "HEAD", redirect: "manual", signal: ending });
      const dateMs = Date.parse(response.headers.get("date") ?? "");
      return Number.isNaN(dateMs) ? undefined : dateMs;
    });
  } catch {
    signal.throwIfAborted();
    return undefined; // Our own time has to do.
  }
}
