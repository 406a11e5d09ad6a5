import { deflateSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { parseBody, readBody } from "../src/body.js";
import { BodyMemory } from "../src/body-memory.js";

const SHARE = new BodyMemory().share();

function request(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  headers: Record<string, string> = {},
): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
}

/** A body that counts what was taken from it. */
function endless() {
  const taken = { chunks: 0, cancelled: false };
  const stream = new ReadableStream({
    pull(controller) {
      taken.chunks += 1;
      controller.enqueue(new Uint8Array(10));
    },
    cancel() {
      taken.cancelled = true;
    },
  });
  return { stream, taken };
}

test("readBody() takes exactly as much as is allowed, announced or not", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  expect(await readBody(request(bytes), 3, SHARE)).toEqual(bytes);
  expect(await readBody(request(bytes, { "content-length": "3" }), 3, SHARE)).toEqual(bytes);
});

test.each(["2", undefined])(
  "readBody() refuses a body one byte too long, announced as %s",
  async (length) => {
    const headers = length === undefined ? {} : { "content-length": length };
    await expect(readBody(request("xyz", headers as never), 2, SHARE)).rejects.toMatchObject({
      code: "too_large",
    });
  },
);

test("readBody() refuses an announced length without reading", async () => {
  const { stream, taken } = endless();
  const announced = request(stream, { "content-length": "1000" });
  await expect(readBody(announced, 100, SHARE)).rejects.toMatchObject({ code: "too_large" });
  // The stream itself fills its buffer of one.
  expect(taken.chunks).toBeLessThanOrEqual(1);
});

test("readBody() stops reading an endless body at its limit and cancels it", async () => {
  const { stream, taken } = endless();
  await expect(readBody(request(stream), 100, SHARE)).rejects.toMatchObject({ code: "too_large" });
  expect(taken.cancelled).toBe(true);
  expect(taken.chunks).toBeLessThan(14);
});

test("readBody() says that a body broke off", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
  await expect(readBody(request(broken), 100, SHARE)).rejects.toMatchObject({
    code: "invalid_argument",
    reason: "parseError",
  });
});

test("parseBody() gives a JSON object, whatever its keys", () => {
  const body = parseBody(Buffer.from('{"__proto__":1,"ä":[]}'));
  expect(Object.keys(body)).toEqual(["__proto__", "ä"]);
});

const PAYLOAD = Buffer.alloc(3_000, "x");
const ITEM = JSON.stringify({ payloadBase64: PAYLOAD.toString("base64"), tag: "t" });

test("parseBody() gives the payloads of a large batch's items as bytes", () => {
  const body = parseBody(Buffer.from(`{"items":[${ITEM},{"payloadBase64":""}]}`));
  expect(body).toEqual({ items: [{ payloadBase64: PAYLOAD, tag: "t" }, { payloadBase64: Buffer.alloc(0) }] });
});

test.each([
  ["breaks off", `{"items":[${ITEM}`, /Expected ',' or ']' after array element in JSON at position 40/],
  ["is nested too deep", `{"items":[${ITEM},${"[".repeat(40)}]}`, /deeper than 32 levels/],
  ["has too many values", `{"items":[${ITEM}${",0".repeat(100_001)}]}`, /more than 100000 values/],
  [
    "goes on behind a payload",
    `{"items":[${ITEM},{"payloadBase64":"eA=="e0}]}`,
    /is not JSON|in JSON at position/,
  ],
  ["is not UTF-8", Buffer.concat([Buffer.from(`{"items":[${ITEM}]}`), Buffer.from([0xff])]), /not UTF-8/],
])("parseBody() refuses a large batch that %s as any other body", (_, body, message) => {
  expect(() => parseBody(Buffer.from(body as string))).toThrow(message);
});

test("parseBody() quotes little of what it could not read", () => {
  const text = `{"a": ${"x".repeat(10_000)}`;
  expect(() => parseBody(Buffer.from(text))).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/^.{0,400}$/s) }),
  );
});

test.each([
  ["gzip", gzipSync],
  ["X-GZIP", gzipSync],
  ["deflate", deflateSync],
  ["identity", (bytes: Buffer) => bytes],
  ["", (bytes: Buffer) => bytes],
])("readBody() unpacks a body in %j", async (encoding, pack) => {
  const bytes = Buffer.from("x".repeat(100_000));
  const packed = request(new Uint8Array(pack(bytes)), { "content-encoding": encoding });
  expect(Buffer.from(await readBody(packed, 100_000, SHARE)).equals(bytes)).toBe(true);
});

test("readBody() unpacks nothing past its limit", async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const before = process.memoryUsage().arrayBuffers;
  const packed = request(new Uint8Array(bomb), { "content-encoding": "gzip" });
  await expect(readBody(packed, 100_000, SHARE)).rejects.toMatchObject({
    code: "too_large",
    message: expect.stringMatching(/at most 100000 bytes, packed and unpacked/),
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
});

test.each([
  ["is not packed at all", Buffer.from("{}")],
  ["breaks off", gzipSync(Buffer.alloc(1000)).subarray(0, 15)],
  ["has a wrong checksum", Buffer.from(gzipSync("{}")).fill(0, 12)],
])("readBody() refuses a body in gzip that %s", async (_, bytes) => {
  const packed = request(new Uint8Array(bytes), { "content-encoding": "gzip" });
  await expect(readBody(packed, 1000, SHARE)).rejects.toMatchObject({
    code: "invalid_argument",
    reason: "parseError",
    message: "the request's body must be in gzip, as its header says",
  });
});

test("parseBody() refuses what is nested deeper than 32 levels, and reads what is not", () => {
  const nested = (levels: number) => Buffer.from(`${'{"a":'.repeat(levels)}0${"}".repeat(levels)}`);
  expect(Object.keys(parseBody(nested(32)))).toEqual(["a"]);
  expect(() => parseBody(nested(33))).toThrow(/deeper than 32 levels/);
  expect(() => parseBody(Buffer.from("[".repeat(10_000_000)))).toThrow(/deeper than 32 levels/);
});

test("parseBody() refuses a body of more than 100000 values, and counts none in strings", () => {
  const many = (values: number) => Buffer.from(`{"a":[${"0,".repeat(values - 3)}0]}`);
  expect(parseBody(many(99_999)).a).toHaveLength(99_997);
  expect(() => parseBody(many(100_001))).toThrow(/more than 100000 values/);
  const text = `${'[{,\\"'.repeat(100_000)}\\\\`;
  expect(parseBody(Buffer.from(`{"a":"${text}","b":[]}`)).b).toEqual([]);
});

test("readBody() takes large bodies from the memory for bodies, and is told when that is used up", async () => {
  const memory = new BodyMemory(300_000);
  const [first, second, third] = [memory.share(), memory.share(), memory.share()];
  const large = () => request(new Uint8Array(200_000), { "content-length": "200000" });
  await readBody(large(), 1_000_000, first);
  await expect(readBody(large(), 1_000_000, second)).rejects.toMatchObject({ code: "unavailable" });
  const packed = request(new Uint8Array(gzipSync(Buffer.alloc(200_000))), { "content-encoding": "gzip" });
  await expect(readBody(packed, 1_000_000, second)).rejects.toMatchObject({ code: "unavailable" });
  await readBody(request(new Uint8Array(1000), { "content-length": "1000" }), 1_000_000, second);
  second.release();
  first.release();
  first.release();
  await readBody(large(), 1_000_000, third);
  await expect(readBody(large(), 1_000_000, first)).rejects.toMatchObject({ code: "unavailable" });
});
