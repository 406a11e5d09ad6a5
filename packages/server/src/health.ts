import { type Clock, systemClock } from "@pullqueue/core";
import { HEALTH_TIMEOUT_MS } from "./limits.js";
import type { Service } from "./method.js";

/** Where load balancers and service managers look. */
export const HEALTH_PATH = "/healthz";

/** 200 `ok` when the store answers in time and the server is not closing, 503 otherwise. */
export async function checkHealth(service: Service, clock: Clock = systemClock()): Promise<Response> {
  const healthy = !service.closing.aborted && (await storeAnswers(service, clock));
  return new Response(healthy ? "ok\n" : "unavailable\n", { status: healthy ? 200 : 503 });
}

function storeAnswers({ store }: Service, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.timer(HEALTH_TIMEOUT_MS, () => resolve(false));
    const settle = (answered: boolean) => {
      cancel();
      resolve(answered);
    };
    // No such project: the cheapest question that reaches the disk.
    store.listQueues("healthz", { limit: 1 }).then(
      () => settle(true),
      () => settle(false),
    );
  });
}
