import { expect, test } from "vitest";
import { traceIdOf } from "../src/trace-headers.js";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

const withTrace = (traceparent: string) => new Request("http://h/", { headers: { traceparent } });

test.each([
  `00-${TRACE_ID}-${PARENT}-01`,
  `cc-${TRACE_ID}-${PARENT}-00`,
  `cc-${TRACE_ID}-${PARENT}-01-what-the-future-brings`,
])("traceIdOf() reads %s", (traceparent) => {
  expect(traceIdOf(withTrace(traceparent))).toBe(TRACE_ID);
});

test.each([
  "",
  `ff-${TRACE_ID}-${PARENT}-01`,
  `00-${TRACE_ID}-${PARENT}-01-more`,
  `00-${"0".repeat(32)}-${PARENT}-01`,
  `00-${TRACE_ID}x-${PARENT}-01`,
])("traceIdOf() takes %j for none", (traceparent) => {
  expect(traceIdOf(withTrace(traceparent))).toBeUndefined();
});

test("traceIdOf() is undefined without a traceparent", () => {
  expect(traceIdOf(new Request("http://h/"))).toBeUndefined();
});
