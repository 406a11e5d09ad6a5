import { withinTime } from "../abortable.js";
import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import { isObject } from "../files/json-fields.js";
import { DISCOVERY_TIMEOUT_MS } from "../limits.js";
import { isConfidential } from "../loopback.js";
import { boundedText } from "../token-endpoint.js";

/** Asks for what is good to know and not needed: undefined after DISCOVERY_TIMEOUT_MS. Rejects with the signal's reason alone. */
export async function askInTime<T>(
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
  ask: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  const late = () => new AuthError("timeout", "no answer in time");
  try {
    return await withinTime({ clock, timeoutMs: DISCOVERY_TIMEOUT_MS, late, signal }, ask);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** The JSON object at an address, or undefined where there is none, for whatever reason. */
export async function optionalJson(
  address: string,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const url = new URL(address);
  if (!isConfidential(url)) return undefined;
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", ...headers },
      redirect: "error",
      signal,
    });
    const text = await boundedText(response, url.origin);
    if (!response.ok) return undefined;
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    // Down, late, redirected, too large or no JSON: all the same to who does not need it.
    return undefined;
  }
}
