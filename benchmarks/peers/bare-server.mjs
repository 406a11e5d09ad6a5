// What Hono costs by itself: parses each request's JSON and answers JSON as long as our server's, without storing anything. A lease answers a task
// of the size of the last one that was inserted.
import { serve } from "@hono/node-server";
import { Hono } from "hono";

/** Bytes of our answers to an insert and to a lease besides the payload, indentation included. */
const INSERT_BYTES = 217;
const LEASE_BYTES = 297;

let payload = "";
const app = new Hono();
const tasks = "/taskqueue/v1beta2/projects/:project/taskqueues/:queue/tasks";

app.post(tasks, async (c) => {
  const { queueName, payloadBase64 } = await c.req.json();
  payload = payloadBase64;
  return c.json(sized({ kind: "taskqueues#task", queueName, payloadBase64 }, INSERT_BYTES));
});
app.post(`${tasks}/lease`, (c) => {
  const task = { kind: "taskqueues#task", queueName: c.req.param("queue"), id: "0", payloadBase64: payload };
  return c.json(sized({ kind: "taskqueue#tasks", items: [task] }, LEASE_BYTES));
});
app.delete(`${tasks}/:task`, (c) => c.body(null, 200));

const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
});
process.once("SIGTERM", () => server.close(() => process.exit(0)).closeAllConnections());

/** So many bytes more than its payload. */
function sized(answer, bytes) {
  const missing = bytes + payload.length - JSON.stringify({ ...answer, rest: "" }).length;
  return { ...answer, rest: "x".repeat(Math.max(0, missing)) };
}
