// A client that knows v1beta2 and nothing of ours: one HTTP call for each task, on connections that stay open, one call under way on each.
// It speaks HTTP by hand, because with a client library more time would go into asking than into answering.
import { connect } from "node:net";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    inflight: { type: "string" },
    messages: { type: "string" },
    warmup: { type: "string" },
    payload: { type: "string" },
  },
});
const { hostname, port } = new URL(values.url);
const count = Number(values.messages);
const inflight = Number(values.inflight);
const PATH = "/taskqueue/v1beta2/projects/bench/taskqueues/foreign/tasks";
const payloadBase64 = Buffer.alloc(Number(values.payload), "x").toString("base64");
const body = JSON.stringify({ queueName: "foreign", payloadBase64 });

const connections = await Promise.all(Array.from({ length: inflight }, openConnection));
await insertAll(Number(values.warmup));
await drain(Number(values.warmup));
const startMs = performance.now();
const insertMs = await timed(() => insertAll(count));
const drainMs = await timed(() => drain(count));
const figures = {
  insert_per_s: (count * 1000) / insertMs,
  drain_per_s: (count * 1000) / drainMs,
  requests_per_s: (3 * count * 1000) / (performance.now() - startMs),
};
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));

function insertAll(total) {
  return spread(total, (call) => call("POST", PATH, body));
}

/** A lease of one task, then its delete. */
function drain(total) {
  return spread(total, async (call) => {
    const { items = [] } = JSON.parse(await call("POST", `${PATH}/lease?numTasks=1&leaseSecs=600`));
    if (items.length !== 1) throw new Error("the queue is empty too early");
    await call("DELETE", `${PATH}/${items[0].id}`);
  });
}

async function spread(total, work) {
  let left = total;
  const worker = async (call) => {
    while (left-- > 0) await work(call);
  };
  await Promise.all(connections.map(worker));
}

async function timed(work) {
  const fromMs = performance.now();
  await work();
  return performance.now() - fromMs;
}

/** Resolves with a function that makes one call and resolves with its answer's body. */
async function openConnection() {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let received = "";
  let settle;
  socket.setEncoding("latin1"); // A character for each byte, so that lengths are bytes.
  socket.on("data", (chunk) => {
    received += chunk;
    const answer = answerIn(received);
    if (answer === undefined) return;
    received = "";
    settle(answer);
  });
  return async (method, path, content = "") => {
    const answered = new Promise((resolve) => {
      settle = resolve;
    });
    const type = content === "" ? "" : "Content-Type: application/json\r\n";
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${type}Content-Length: ${content.length}\r\n\r\n`;
    socket.write(head + content);
    const { status, body } = await answered;
    if (status !== "200") throw new Error(`${method} ${path}: ${status} ${body}`);
    return body;
  };
}

/** The answer, once all of it is there. */
function answerIn(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (text.length < end + 4 + length) return undefined;
  return { status: head.slice(9, 12), body: text.slice(end + 4) };
}
