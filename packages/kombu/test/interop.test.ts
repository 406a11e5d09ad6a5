import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMissing } from "@pullqueue/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compress } from "../src/compression.js";
import { decodeEnvelope, encodeEnvelope } from "../src/envelope.js";
import { writePythonJson } from "../src/python-json.js";
import { SerializerRegistry } from "../src/serialization.js";

const script = fileURLToPath(new URL("./python/interop.py", import.meta.url));
const registry = new SerializerRegistry();
const address = { exchange: "", routingKey: "q", deliveryTag: "3f4940fb-f73e-41f0-afed-258a3f43cc0b" };

/** What real kombu answers to each job. */
function ask<T>(jobs: readonly object[]): readonly T[] {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script], {
    input: JSON.stringify(jobs),
    timeout: 20_000,
    encoding: "utf8",
    maxBuffer: 32 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`interop.py ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

/** What kombu makes of a message of ours. */
interface Read {
  readonly payload: string;
  readonly content_type: string;
  readonly content_encoding: string;
  readonly headers: string;
  readonly properties: Record<string, unknown>;
  readonly delivery_info: Record<string, unknown>;
  readonly delivery_tag: string;
}

function envelopeOf(value: unknown, headers: Record<string, unknown> = {}, properties = {}): string {
  const content = { ...registry.dumps(value), headers, properties, raw: false };
  return Buffer.from(encodeEnvelope(content, address)).toString();
}

describe.skipIf(isMissing("python3-kombu"))("real kombu", () => {
  it("kombu reads our JSON, and would have written the same bytes", () => {
    const jsonArbitrary = fc.oneof(
      fc.jsonValue({ stringUnit: "binary", maxDepth: 5 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt(),
    );
    const values = fc
      .sample(fc.array(jsonArbitrary, { minLength: 1 }), { numRuns: 300, seed: 42 })
      .map((list) => ({ list }));
    const answers = ask<Read>(values.map((value) => ({ verb: "read", envelope: envelopeOf(value, value) })));
    for (const [index, value] of values.entries()) {
      expect(answers[index]).toMatchObject({
        payload: writePythonJson(value),
        headers: writePythonJson(value),
      });
    }
  });

  it("kombu reads our text, bytes and compressed bodies, with type, encoding, address and properties", async () => {
    const properties = { correlation_id: "c-1", priority: 3, expiration: "12500" };
    const dumped = registry.dumps({ a: 1 });
    const compressed = await compress(dumped.body, "gzip");
    const zipped = {
      ...dumped,
      body: compressed.body,
      headers: { compression: compressed.contentType },
      properties: {},
      raw: false,
    };
    const [text, bytes, json] = ask<Read>([
      { verb: "read", envelope: envelopeOf("Thé 董 😀", { h: 1 }, properties) },
      { verb: "read", envelope: envelopeOf(new Uint8Array([0, 255])), accept: [] },
      { verb: "read", envelope: Buffer.from(encodeEnvelope(zipped, address)).toString(), accept: ["json"] },
    ]);
    expect(text).toMatchObject({
      payload: JSON.stringify("Thé 董 😀").replace(
        /[^ -~]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
      ),
      content_type: "text/plain",
      content_encoding: "utf-8",
      headers: '{"h": 1}',
      properties: { ...properties, delivery_mode: 2, body_encoding: "base64" },
      delivery_info: { exchange: "", routing_key: "q" },
      delivery_tag: address.deliveryTag,
    });
    expect(bytes).toMatchObject({ payload: '{"base64": "AP8="}', content_type: "application/data" });
    expect(json).toMatchObject({ payload: '{"a": 1}', content_encoding: "utf-8" });
  });

  it("what kombu stores we read, and would have stored byte for byte", () => {
    const job = { verb: "write", exchange: "e", type: "direct", routing_key: "k" };
    const options = {
      priority: 5,
      expiration: 1.5,
      headers: { lang: "py", eta: null, limits: [1.5, null] },
      correlation_id: "c-1",
      reply_to: "r",
      custom: { x: [1e22, 1e-5] },
      delivery_mode: "transient",
    };
    const bodies = [{ u: "Thé 董 😀", big: 2n ** 70n, nan: Number.NaN, f: 0.1 }, [], "text", null, 1e22];
    const pythonText = (value: unknown) => writePythonJson(value).replace('"NaN here"', "NaN");
    const stored = ask<string>([
      ...bodies.map((body) => ({
        ...job,
        body: pythonText(
          body !== null && typeof body === "object" && "nan" in body ? { ...body, nan: "NaN here" } : body,
        ),
        options,
      })),
      { ...job, base64: "AP8=", options: {} },
    ]);
    const read = stored.map((text) => decodeEnvelope(Buffer.from(text))!);
    const payloads = read.map(({ content }) =>
      registry.loads(content.body, content.contentType, content.contentEncoding),
    );
    expect(payloads).toEqual([...bodies, Buffer.from([0, 255])]);
    expect(read[0]).toMatchObject({ exchange: "e", routingKey: "k", redelivered: false });
    expect(read[0]!.content).toMatchObject({
      headers: options.headers,
      properties: {
        priority: 5,
        expiration: "1500",
        correlation_id: "c-1",
        custom: options.custom,
        delivery_mode: 1,
      },
    });
    for (const [index, text] of stored.entries()) {
      expect(Buffer.from(encodeEnvelope(read[index]!.content, read[index]!)).toString()).toBe(text);
    }
  });
});
