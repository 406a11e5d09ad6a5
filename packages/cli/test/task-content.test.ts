import { deflateSync } from "node:zlib";
import type { TaskWithPayload } from "@pullqueue/core";
import { encodeEnvelope } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { contentOf, inEnvelope, taskJson } from "../src/task-content.js";

const noProblem = (why: string) => {
  throw new Error(why);
};

function task(payload: Uint8Array | string): TaskWithPayload {
  return {
    queue: { project: "default", queue: "jobs" },
    id: "a1",
    tag: undefined,
    enqueuedAtUs: 1_767_225_600_000_000,
    etaUs: 0,
    retryCount: 1,
    uncounted: 0,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
  };
}

function shown(payload: Uint8Array | string, raw = false) {
  return taskJson(task(payload), contentOf(task(payload), raw, noProblem));
}

describe("contentOf()", () => {
  test("contentOf() unpacks what inEnvelope() wrote, and says its type", () => {
    const cases = [
      ['{"n": 1}', "application/json"],
      ["hello", "text/plain"],
      [new Uint8Array([0xff, 0x00]), "application/data"],
    ] as const;
    for (const [body, contentType] of cases) {
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      const content = contentOf(task(inEnvelope(bytes, "jobs")), false, noProblem);
      expect(Buffer.from(content.body)).toEqual(Buffer.from(bytes));
      expect(content.contentType).toBe(contentType);
    }
  });

  test("contentOf() leaves a raw task, and with raw any task, as it is stored", () => {
    const stored = inEnvelope(Buffer.from("hello"), "jobs");
    expect(contentOf(task("hello"), false, noProblem).body).toEqual(Buffer.from("hello"));
    expect(contentOf(task(stored), true, noProblem).body).toBe(stored);
  });

  test("contentOf() decompresses, and shows the payload with a reason when it cannot", () => {
    const address = { exchange: "", routingKey: "jobs", deliveryTag: "t" };
    const message = (body: Uint8Array) => ({
      body,
      contentType: "text/plain",
      contentEncoding: "utf-8",
      headers: { compression: "application/x-gzip" },
      properties: {},
      raw: false,
    });
    const packed = encodeEnvelope(message(deflateSync("hello")), address);
    expect(Buffer.from(contentOf(task(packed), false, noProblem).body).toString()).toBe("hello");

    const broken = encodeEnvelope(message(Buffer.from("not packed")), address);
    const problems: string[] = [];
    expect(contentOf(task(broken), false, (why) => problems.push(why)).body).toBe(broken);
    expect(problems).toHaveLength(1);
  });
});

describe("taskJson()", () => {
  test("taskJson() shows JSON as a value, text as text, other bytes in base64", () => {
    expect(shown(inEnvelope(Buffer.from('{"n": 1}'), "jobs"))).toMatchObject({
      envelope: "kombu",
      contentType: "application/json",
      body: { n: 1 },
    });
    expect(shown('{"n": 1}')).toMatchObject({ envelope: "raw", body: '{"n": 1}' });
    expect(shown(new Uint8Array([0xff, 0x00]))).toMatchObject({ envelope: "raw", bodyBase64: "/wA=" });
  });

  test("taskJson() says which task it is", () => {
    expect(shown("x")).toMatchObject({
      id: "a1",
      queue: "jobs",
      enqueuedAt: "2026-01-01T00:00:00.000Z",
      retryCount: 1,
    });
  });
});
