/** Version, trace id, parent id, flags. A version above 00 may have more behind another hyphen. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/**
 * The trace id of a `traceparent` header; undefined when it is missing or not valid, in which case it counts as missing
 * (W3C Trace Context, section 3.2).
 */
export function traceIdOf(headers: Headers): string | undefined {
  const [, version, traceId, parentId, rest] = TRACEPARENT.exec(headers.get("traceparent") ?? "") ?? [];
  if (traceId === undefined || version === "ff" || /^0+$/.test(traceId) || /^0+$/.test(parentId ?? "")) {
    return undefined;
  }
  return version === "00" && rest !== undefined ? undefined : traceId;
}
