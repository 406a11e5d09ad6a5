import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { BASE_PATH, openMemoryStore, type QueueAdmin, type QueueStore } from "@pullqueue/core";
import { expect, onTestFinished, test } from "vitest";
import { createDoors, type Doors } from "../src/handler.js";
import { createHttpServer } from "../src/node-listener.js";

const LIMITS = { headersTimeoutMs: 5000, requestTimeoutMs: 5000, keepAliveMs: 5000, connectionsMax: 20 };
const TASKS = `${BASE_PATH}p/taskqueues/q/tasks`;

/** A server that counts the calls that came by the short way. */
async function listen(store: QueueStore & QueueAdmin = openMemoryStore()) {
  const doors = createDoors({ store });
  let short = 0;
  const counting: Doors = {
    handle: doors.handle,
    call: (request) => {
      short += 1;
      return doors.call!(request);
    },
  };
  const server = createHttpServer(counting, LIMITS);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const send = async (head: string, body = "") => {
    const socket = connect(port, "127.0.0.1");
    socket.end(`${head}Connection: close\r\n\r\n${body}`);
    const answer = await text(socket);
    const [headers = "", content = ""] = answer.split("\r\n\r\n");
    const lines = headers.split("\r\n").filter((line) => !/^(?:date|x-request-id):/i.test(line));
    return {
      status: lines[0],
      headers: lines
        .slice(1)
        .map((line) => line.toLowerCase())
        .sort(),
      content,
    };
  };
  const connections = promisify(server.getConnections.bind(server));
  return { send, port, connections, shortCalls: () => short };
}

const HEAD = (line: string, more = "") => `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}`;
const JSON_BODY = JSON.stringify({ payloadBase64: "eA==", id: "one" });
const TAGGED_BODY = JSON.stringify({ payloadBase64: "eA==", id: "one", tag: "späť 🐇" });
const length = (body: string) => `Content-Length: ${Buffer.byteLength(body)}\r\n`;

test.each([
  ["an insert", HEAD(`POST ${TASKS}`, length(JSON_BODY)), JSON_BODY],
  ["an insert with a tag that is not ASCII", HEAD(`POST ${TASKS}`, length(TAGGED_BODY)), TAGGED_BODY],
  [
    "an insert into a queue whose name is not ASCII",
    HEAD(`POST ${BASE_PATH}p/taskqueues/sp%C3%A4t/tasks`, length(JSON_BODY)),
    JSON_BODY,
  ],
  ["an insert without a body", HEAD(`POST ${TASKS}`), ""],
  ["an insert of what is not JSON", HEAD(`POST ${TASKS}`, length("{")), "{"],
  ["an empty lease", HEAD(`POST ${TASKS}/lease?numTasks=1&leaseSecs=1&prettyPrint=false`, length("")), ""],
  ["a lease with a wrong parameter", HEAD(`POST ${TASKS}/lease?numTasks=x&leaseSecs=1`), ""],
  ["a look at what is not there", HEAD(`GET ${TASKS}/none`), ""],
  ["a delete", HEAD(`DELETE ${TASKS}/none`), ""],
  ["a method that is not allowed", HEAD(`PUT ${TASKS}`), ""],
  ["a path that is nothing", HEAD(`GET ${BASE_PATH}p/x`), ""],
  ["a web page", HEAD(`GET ${TASKS}`, "Origin: http://evil.example\r\n"), ""],
  ["an unknown encoding", HEAD(`POST ${TASKS}`, `Content-Encoding: br\r\n${length(JSON_BODY)}`), JSON_BODY],
  ["an answer too small to pack", HEAD(`GET ${TASKS}`, "Accept-Encoding: gzip\r\n"), ""],
])("the short way answers as the general one, %s", async (_name, head, body) => {
  const direct = await listen();
  const general = await listen();
  // A header that is there twice sends a request the general way.
  const twice = "X-Twice: 1\r\nX-Twice: 2\r\n";
  const answer = await direct.send(head, body);
  const expected = await general.send(head + twice, body);
  expect(direct.shortCalls()).toBe(1);
  expect(general.shortCalls()).toBe(0);
  const shown = (content: string) => content.replaceAll(/"enqueueTimestamp": "\d+"/g, "");
  expect({ ...answer, content: shown(answer.content) }).toEqual({
    ...expected,
    content: shown(expected.content),
  });
});

test.each([
  ["a dot segment", HEAD(`GET ${BASE_PATH}p/taskqueues/q/../q/tasks`)],
  ["an encoded dot segment", HEAD(`GET ${BASE_PATH}p/taskqueues/q/%2E%2e/q/tasks`)],
  ["a quote", HEAD(`GET ${TASKS}?x="`)],
  ["a name in capitals", `GET ${TASKS} HTTP/1.1\r\nHost: LOCALHOST\r\n`],
  ["the default port", `GET ${TASKS} HTTP/1.1\r\nHost: localhost:80\r\n`],
  ["HEAD", HEAD(`HEAD ${TASKS}`)],
  ["another page", HEAD("GET /healthz")],
])("what a URL parser may change goes the general way, %s", async (_name, head) => {
  const { send, shortCalls } = await listen();
  await send(head);
  expect(shortCalls()).toBe(0);
});

test("tasks of a lease whose caller has gone are given back", async () => {
  const store = openMemoryStore();
  const queue = { project: "p", queue: "q" };
  await store.insert(queue, [{ payload: new Uint8Array(1) }]);
  let begun = () => {};
  const leasing = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let goOn = () => {};
  const gone = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const slow: QueueStore & QueueAdmin = Object.create(store, {
    lease: {
      value: async (...parameters: Parameters<QueueStore["lease"]>) => {
        begun();
        await gone;
        return store.lease(...parameters);
      },
    },
    extend: { value: store.extend.bind(store) },
  });
  const { port, connections } = await listen(slow);
  const socket = connect(port, "127.0.0.1");
  socket.write(`${HEAD(`POST ${TASKS}/lease?numTasks=1&leaseSecs=600`)}\r\n`);
  await leasing;
  socket.destroy();
  await once(socket, "close");
  await expect.poll(connections).toBe(0);
  goOn();
  await expect.poll(async () => (await store.lease([queue], { maxTasks: 1, leaseMs: 1000 })).length).toBe(1);
});

test("a body that ends early by the short way harms nobody", async () => {
  const { port, send } = await listen();
  const socket = connect(port, "127.0.0.1");
  socket.end(`${HEAD(`POST ${TASKS}`, "Content-Length: 100\r\n")}\r\n{"payload`);
  await once(socket.resume(), "close");
  expect((await send(HEAD(`POST ${TASKS}`, length(JSON_BODY)), JSON_BODY)).status).toBe("HTTP/1.1 200 OK");
});
