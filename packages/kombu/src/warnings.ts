import type { KombuError } from "./errors.js";
import { WARNINGS_REMEMBERED } from "./limits.js";
import type { Message } from "./message.js";

/**
 * What is done with warnings that nobody asked for: they show on standard error, as Python's do, so that a message that goes astray
 * is not silent. Each text once, because a wrong routing key goes wrong for every message.
 */
export function processWarnings(): (warning: KombuError) => void {
  const isNew = firstTimes();
  return (warning) => {
    if (isNew(warning.message)) process.emitWarning(warning);
  };
}

/**
 * The same for failures of those who consume, where nobody has an `onError`: says of which message of which queue, and when it comes
 * again. One queue's failures of one text show once, though each is another message's.
 */
export function failureWarnings(): (
  error: unknown,
  message: Message | undefined,
  againInMs: number | undefined,
) => void {
  const isNew = firstTimes();
  return (error, message, againInMs) => {
    const text = error instanceof Error ? error.message : String(error);
    const queue = message?.deliveryInfo.queue;
    if (!isNew(JSON.stringify([queue, text]))) return;
    const what =
      message === undefined
        ? "consuming failed"
        : `the handler failed on message ${message.deliveryTag} of queue ${JSON.stringify(queue)}`;
    const then = againInMs === undefined ? "" : `; it comes again in ${Math.round(againInMs)} ms`;
    const detail = error instanceof Error ? { detail: error.stack ?? "" } : {};
    process.emitWarning(`${what}: ${text}${then}`, detail);
  };
}

/** Whether a text comes for the first time. There is an end to that: who wants to be told of all has a hook for it. */
function firstTimes(): (text: string) => boolean {
  const seen = new Set<string>();
  return (text) => {
    if (seen.has(text) || seen.size >= WARNINGS_REMEMBERED) return false;
    seen.add(text);
    return true;
  };
}
