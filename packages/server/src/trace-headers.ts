import { isTraceparent, isTracestate, type TraceContext } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";

/**
 * The trace context in a request's headers. What is not valid is as if it were not there, and without a `traceparent` there
 * is no `tracestate`: https://www.w3.org/TR/trace-context/#processing-model.
 */
export function traceContextOf({ headers }: ApiRequest): TraceContext {
  const traceparent = headers.get("traceparent") ?? undefined;
  const tracestate = headers.get("tracestate") ?? undefined;
  if (!isTraceparent(traceparent)) return {};
  return isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}

/** Where the trace id stands in a `traceparent`, in every version: behind the version and a hyphen, 32 digits. */
const TRACE_ID = [3, 35] as const;

/** The trace that a request is part of, so that its sender's log and ours can be read together. */
export function traceIdOf(request: ApiRequest): string | undefined {
  return traceContextOf(request).traceparent?.slice(...TRACE_ID);
}
