import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { startServer } from "../src/start-server.js";
import { batchBody, batchRequest } from "./batch-support.js";
import { ORIGIN, openApi, QUEUE, refusal } from "./support.js";

const DISCOVERY = `${ORIGIN}/discovery/v1/apis/taskqueue/v1beta2/rest`;

async function discovery(accepted: string | undefined): Promise<Response> {
  const { handler } = openApi();
  return handler(
    new Request(DISCOVERY, { headers: accepted === undefined ? {} : { "accept-encoding": accepted } }),
  );
}

test.each([
  "gzip",
  "gzip, deflate",
  "br;q=1, gzip;q=0.8",
  "*",
  "GZIP;q=0.001",
  "identity;q=0.5, *;q=0.6",
  "x-gzip",
])("compressAnswer() packs for Accept-Encoding: %s", async (accepted) => {
  const [packed, plain] = [await discovery(accepted), await discovery(undefined)];
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  const bytes = Buffer.from(await packed.arrayBuffer());
  expect(gunzipSync(bytes).toString()).toBe(await plain.text());
});

test.each([undefined, "", "br", "gzip;q=0", "identity, gzip;q=0.5", "*;q=0", "gzip;q=0, *", "identity"])(
  "compressAnswer() leaves an answer as it is for Accept-Encoding: %s",
  async (accepted) => {
    const plain = await discovery(accepted);
    expect([plain.status, plain.headers.has("content-encoding")]).toEqual([200, false]);
    expect(JSON.parse(await plain.text())).toMatchObject({ name: "taskqueue" });
  },
);

test("compressAnswer() packs what does not fit into a packet, of whatever status, and says what it depends on", async () => {
  const { call, insert } = openApi();
  const accept = { headers: { "accept-encoding": "gzip" } };
  for (let count = 0; count < 20; count += 1) await insert();
  const large = await call("GET", `${QUEUE}/tasks`, undefined, accept);
  expect(large.headers.get("content-encoding")).toBe("gzip");
  const small = await call("GET", `${QUEUE}/tasks/none`, undefined, accept);
  expect(small.headers.get("content-encoding")).toBeNull();
  expect(refusal(small)).toEqual([404, "notFound", "task"]);
  for (const { headers } of [large, small]) expect(headers.get("vary")).toBe("accept-encoding");
  const head = await call("HEAD", `${QUEUE}/tasks`, undefined, accept);
  expect([head.status, head.headers.get("content-encoding")]).toEqual([200, null]);
});

test("a batch is packed as a whole, its answers are not", async () => {
  const { handler, insert } = openApi();
  for (let count = 0; count < 20; count += 1) await insert();
  const call = `GET /taskqueue/v1beta2/projects/${QUEUE}/tasks HTTP/1.1\r\nAccept-Encoding: gzip`;
  const body = new Uint8Array(gzipSync(batchBody(call)));
  const response = await handler(
    batchRequest(body, { "accept-encoding": "gzip", "content-encoding": "gzip" }),
  );
  expect(response.headers.get("content-encoding")).toBe("gzip");
  const text = gunzipSync(Buffer.from(await response.arrayBuffer())).toString();
  expect(text).toContain('"kind": "taskqueues#task"');
  expect(text).not.toContain("content-encoding");
});

test.each(["br", "zstd", "gzip, gzip", "compress"])(
  "a body in %s is 415, which says what is accepted",
  async (encoding) => {
    const { call } = openApi();
    const answer = await call("POST", `${QUEUE}/tasks`, "{}", { headers: { "content-encoding": encoding } });
    expect(refusal(answer)).toEqual([415, "unsupportedMediaType", "Content-Encoding"]);
    expect(answer.headers.get("accept-encoding")).toBe("gzip, deflate, identity");
  },
);

test("an insert may come packed, and is refused when it is too large unpacked", async () => {
  const { call } = openApi();
  const headers = { headers: { "content-encoding": "gzip" } };
  const insert = (json: object) => call("POST", `${QUEUE}/tasks`, gzipSync(JSON.stringify(json)), headers);
  expect((await insert({ payloadBase64: "eA==" })).json.payloadBase64).toBe("eA==");
  const large = await insert({ payloadBase64: "eA==", other: "x".repeat(3 * 1024 * 1024) });
  expect(refusal(large)).toEqual([413, "uploadTooLarge", undefined]);
});

test("a packed answer has its length on the wire", async () => {
  const config = await loadConfig({ flags: { port: 0, store: "memory:", logLevel: "silent" } });
  await using server = await startServer(config);
  const request = get(`${server.url}${new URL(DISCOVERY).pathname}`, {
    headers: { "accept-encoding": "gzip" },
  });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const bytes = Buffer.concat(await response.toArray());
  expect(response.headers).toMatchObject({
    "content-encoding": "gzip",
    "content-length": String(bytes.length),
  });
  expect(JSON.parse(gunzipSync(bytes).toString())).toMatchObject({ name: "taskqueue" });
});
