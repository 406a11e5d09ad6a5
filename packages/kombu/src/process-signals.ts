import type { GracefulStop } from "./graceful-stop.js";

/** What asks a program to end: a process manager, and Ctrl-C. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** The process's signals begin the stop, and a second one ends it at once. The returned function leaves signals alone again. */
export function onStopSignals(stop: GracefulStop): () => void {
  const listener = () => (stop.stopping.aborted ? stop.abandon() : stop.begin());
  for (const name of STOP_SIGNALS) process.on(name, listener);
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, listener);
  };
}
