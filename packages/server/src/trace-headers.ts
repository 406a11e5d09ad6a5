import { isTraceparent, isTracestate, type TraceContext } from "@pullqueue/core";

/**
 * The trace context in a request's headers. What is not valid is as if it were not there, and without a `traceparent` there
 * is no `tracestate`: https://www.w3.org/TR/trace-context/#processing-model.
 */
export function traceContextOf({ headers }: Request): TraceContext {
  const traceparent = headers.get("traceparent") ?? undefined;
  const tracestate = headers.get("tracestate") ?? undefined;
  if (!isTraceparent(traceparent)) return {};
  return isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}
