import { collectDefaultMetrics, Registry } from "prom-client";

/**
 * prom-client's own metrics of a process: memory, processor time, event loop, garbage collection, descriptors. They belong to
 * the process and not to one of its servers, and what observes them cannot be closed: so there is one registry of them,
 * made when the first server of the process wants it.
 */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}

let registry: Registry | undefined;
