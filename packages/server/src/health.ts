import { type Clock, systemClock } from "@pullqueue/core";
import { READY_TIMEOUT_MS } from "./limits.js";
import type { Service } from "./method.js";

/** Where service managers look: should this process be restarted? */
export const HEALTH_PATH = "/healthz";

/** Where load balancers look: should this process get requests? */
export const READY_PATH = "/readyz";

/** 200 `ok`: whoever gets this answer has a process that works. It does not depend on the store, which no restart brings back. */
export function reportHealth(): Response {
  return new Response("ok\n", { status: 200 });
}

/** 200 `ok` when the store answers in time and the server is not closing, 503 otherwise. */
export async function checkReady(service: Service, clock: Clock = systemClock()): Promise<Response> {
  const ready = !service.closing.aborted && (await storeAnswers(service, clock));
  return new Response(ready ? "ok\n" : "unavailable\n", { status: ready ? 200 : 503 });
}

function storeAnswers({ store }: Service, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.timer(READY_TIMEOUT_MS, () => resolve(false));
    const settle = (answered: boolean) => {
      cancel();
      resolve(answered);
    };
    // No such project: the cheapest question that reaches the disk.
    store.listQueues("readyz", { limit: 1 }).then(
      () => settle(true),
      () => settle(false),
    );
  });
}
