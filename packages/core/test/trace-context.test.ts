import { describe, expect, test } from "vitest";
import { isTraceparent, isTracestate } from "../src/trace-context.js";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";

describe("isTraceparent()", () => {
  test.each([
    `00-${TRACE_ID}-${SPAN_ID}-00`,
    `01-${TRACE_ID}-${SPAN_ID}-ff`,
    `cc-${TRACE_ID}-${SPAN_ID}-01-more`,
  ])("takes %s", (text) => {
    expect(isTraceparent(text)).toBe(true);
  });

  test.each([
    "",
    undefined,
    7,
    `ff-${TRACE_ID}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${SPAN_ID}-01-more`,
    `00-${TRACE_ID}-${SPAN_ID}`,
    `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
    `00-${"0".repeat(32)}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${"0".repeat(16)}-01`,
    ` 00-${TRACE_ID}-${SPAN_ID}-01`,
    `cc-${TRACE_ID}-${SPAN_ID}-01.more`,
    `cc-${TRACE_ID}-${SPAN_ID}-01-${"x".repeat(100)}`,
  ])("refuses %s", (text) => {
    expect(isTraceparent(text)).toBe(false);
  });
});

describe("isTracestate()", () => {
  test.each(["a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "tenant@system=x y", "a=1,, b=2\t"])(
    "takes %s",
    (text) => {
      expect(isTracestate(text)).toBe(true);
    },
  );

  test.each([
    undefined,
    "a",
    "=1",
    "A=1",
    "a=1=2",
    "a=ü",
    `a=${"x".repeat(300)}`,
    `a=${"x".repeat(600)}`,
    Array(33).fill("a=1").join(","),
  ])("refuses %s", (text) => {
    expect(isTracestate(text)).toBe(false);
  });
});
