import { expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "../support.js";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";

test("tasks.insert keeps the trace context of its body, and every answer with the task hands it back", async () => {
  const { call, insert, lease } = openApi();
  const trace = { traceparent: TRACEPARENT, tracestate: STATE };
  const { id } = await insert(trace);
  expect((await call("GET", `${QUEUE}/tasks/${id}`)).json).toMatchObject(trace);
  expect((await call("GET", `${QUEUE}/tasks`)).json.items).toMatchObject([trace]);
  const [held] = await lease();
  expect(held).toMatchObject(trace);
  const body = { queueName: "q", leaseTimestamp: held?.leaseTimestamp };
  expect((await call("POST", `${QUEUE}/tasks/${id}?newLeaseSeconds=5`, body)).json).toMatchObject(trace);
});

test("tasks.insert takes the headers' trace context where the body has none", async () => {
  const { call } = openApi();
  const headers = { traceparent: TRACEPARENT, tracestate: STATE };
  const insert = async (fields: object) =>
    (await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", ...fields }, { headers })).json;
  expect(await insert({})).toMatchObject(headers);
  const own = await insert({ traceparent: OTHER });
  expect(own.traceparent).toBe(OTHER);
  expect(own).not.toHaveProperty("tracestate");
});

test("tasks.batchInsert takes the headers' trace context for each task that has none", async () => {
  const { call } = openApi();
  const headers = { traceparent: TRACEPARENT };
  const items = [{ payloadBase64: "" }, { payloadBase64: "", traceparent: OTHER }];
  const { json } = await call("POST", `${QUEUE}/tasks:batchInsert`, { items }, { headers });
  expect(json.items.map(({ task }) => task?.traceparent)).toEqual([TRACEPARENT, OTHER]);
});

test.each([
  ["no version", TRACEPARENT.slice(3)],
  ["version ff", TRACEPARENT.replace("00", "ff")],
  ["capital letters", TRACEPARENT.toUpperCase()],
  ["a trace id of zeros", TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32))],
  ["a span id of zeros", TRACEPARENT.replace("b7ad6b7169203331", "0".repeat(16))],
  ["two values", `${TRACEPARENT}, ${OTHER}`],
  ["nothing", ""],
])("tasks.insert ignores a traceparent header with %s, and refuses it as a field", async (_, traceparent) => {
  const { call } = openApi();
  const headers = { traceparent, tracestate: STATE };
  const answer = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "" }, { headers });
  expect(answer.status).toBe(200);
  expect(answer.json).not.toHaveProperty("traceparent");
  expect(answer.json).not.toHaveProperty("tracestate");
  expect(refusal(await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", traceparent }))).toEqual([
    400,
    "invalid",
    "traceparent",
  ]);
});

test.each([
  ["no value", "congo"],
  ["a key in capitals", "Congo=1"],
  ["more than 512 characters", `a=${"x".repeat(250)},b=${"x".repeat(250)},c=${"x".repeat(20)}`],
  ["33 members", Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(",")],
])(
  "tasks.insert drops a tracestate header with %s alone, and refuses it as a field",
  async (_, tracestate) => {
    const { call } = openApi();
    const headers = { traceparent: TRACEPARENT, tracestate };
    const { json } = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "" }, { headers });
    expect(json.traceparent).toBe(TRACEPARENT);
    expect(json).not.toHaveProperty("tracestate");
    const body = { payloadBase64: "", traceparent: TRACEPARENT, tracestate };
    expect(refusal(await call("POST", `${QUEUE}/tasks`, body))).toEqual([400, "invalid", "tracestate"]);
  },
);

test("tasks.insert refuses a tracestate field without a traceparent", async () => {
  const { call } = openApi();
  const body = { payloadBase64: "", tracestate: STATE };
  expect(refusal(await call("POST", `${QUEUE}/tasks`, body))).toEqual([400, "invalid", "tracestate"]);
});
