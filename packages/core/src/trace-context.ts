import { TRACEPARENT_LENGTH_MAX, TRACESTATE_LENGTH_MAX } from "./limits.js";

/** The headers of W3C Trace Context, https://www.w3.org/TR/trace-context/, as far as it takes to know that they are sane. */

/** Version, trace id, span id and flags; later versions than 00 may append fields. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[ -~]*)?$/;

/** An id of zeros only, which is none. */
const ZEROS = /^0+$/;

/** A key, which may name a tenant, and a value of printable characters that does not end with a space. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

/** Most members in a `tracestate`. W3C Trace Context 3.3.1.1. */
const MEMBERS_MAX = 32;

/** Whether a value is a valid `traceparent`. */
export function isTraceparent(value: unknown): value is string {
  if (typeof value !== "string" || value.length > TRACEPARENT_LENGTH_MAX) return false;
  const [matched, version, traceId = "", spanId = "", more] = TRACEPARENT.exec(value) ?? [];
  if (matched === undefined || version === "ff" || (version === "00" && more !== undefined)) return false;
  return !ZEROS.test(traceId) && !ZEROS.test(spanId);
}

/** Whether a value is a valid `tracestate` of at most `TRACESTATE_LENGTH_MAX` characters. Empty members are allowed. */
export function isTracestate(value: unknown): value is string {
  if (typeof value !== "string" || value.length > TRACESTATE_LENGTH_MAX) return false;
  const members = value.split(",").map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""));
  return members.length <= MEMBERS_MAX && members.every((member) => member === "" || MEMBER.test(member));
}
