import { isTraceparent, isTracestate, type TraceContext } from "@pullqueue/core";
import type { MessageContent } from "./message-content.js";

/** The trace context in a message's headers, which anybody may have written; nothing when it is none. */
export function traceOf({ traceparent, tracestate }: MessageContent["headers"]): TraceContext {
  if (!isTraceparent(traceparent)) return {};
  return isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}
