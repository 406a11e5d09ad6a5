import type { ServerMetrics } from "./server-metrics.js";

/** Where Prometheus looks. */
export const METRICS_PATH = "/metrics";

/** The page of metrics. Who may read it has been decided before. */
export async function metricsPage(metrics: ServerMetrics): Promise<Response> {
  const page = await metrics.page();
  return new Response(page, { status: 200, headers: { "content-type": metrics.contentType } });
}
