import { expect, test } from "vitest";
import { traceIdOf } from "../src/trace-context.js";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

test.each([
  `00-${TRACE_ID}-${PARENT}-01`,
  `00-${TRACE_ID}-${PARENT}-00`,
  `cc-${TRACE_ID}-${PARENT}-01`,
  `cc-${TRACE_ID}-${PARENT}-01-what-the-future-brings`,
])("traceIdOf() reads %s", (traceparent) => {
  expect(traceIdOf(new Headers({ traceparent }))).toBe(TRACE_ID);
});

// The rules of W3C Trace Context, section 3.2.2.
test.each([
  "",
  `ff-${TRACE_ID}-${PARENT}-01`,
  `00-${TRACE_ID}-${PARENT}-01-more`,
  `00-${"0".repeat(32)}-${PARENT}-01`,
  `00-${TRACE_ID}-${"0".repeat(16)}-01`,
  `00-${TRACE_ID.toUpperCase()}-${PARENT}-01`,
  `00-${TRACE_ID}-${PARENT}`,
  `00-${TRACE_ID}x-${PARENT}-01`,
])("traceIdOf() takes %j for none", (traceparent) => {
  expect(traceIdOf(new Headers({ traceparent }))).toBeUndefined();
});

test("traceIdOf() is undefined without a traceparent", () => {
  expect(traceIdOf(new Headers())).toBeUndefined();
});
