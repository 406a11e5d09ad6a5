import type { KombuError } from "./errors.js";
import { WARNINGS_REMEMBERED } from "./limits.js";

/**
 * What is done with warnings that nobody asked for: they show on standard error, as Python's do, so that a message that goes astray
 * is not silent. Each text once, because a wrong routing key goes wrong for every message.
 */
export function processWarnings(): (warning: KombuError) => void {
  const shown = new Set<string>();
  return (warning) => {
    if (shown.has(warning.message) || shown.size >= WARNINGS_REMEMBERED) return;
    shown.add(warning.message);
    process.emitWarning(warning);
  };
}
