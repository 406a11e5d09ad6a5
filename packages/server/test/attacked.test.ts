import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DEFAULT_QUEUE_SETTINGS,
  openStore,
  type QueueAdmin,
  type QueueStore,
  ROUTES,
  type RouteName,
  type WireError,
} from "@pullqueue/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHandler, type RequestHandler } from "../src/handler.js";
import { type HostileRequest, hostileRequest } from "./attacked/hostile.js";

/**
 * Wrong requests of every kind, for every method. A failure prints its seed and the shortest request that fast-check
 * finds; ATTACK_RUNS asks for more of them.
 */

const RUNS = Number(process.env.ATTACK_RUNS ?? 25);
const FIXED_SEED = 20260;

interface Door {
  readonly store: QueueStore & QueueAdmin;
  readonly handler: RequestHandler;
}

/** Something for the requests to hit: a queue `q` with a task `a`, leased once. */
async function prepare({ store }: Door): Promise<void> {
  const queue = { project: "p", queue: "q" };
  await store.putQueue(queue, DEFAULT_QUEUE_SETTINGS);
  await store.resumeQueue(queue);
  await store.insert(queue, [{ id: "a", payload: new Uint8Array(1), tag: "a" }]);
  await store.lease([queue], { maxTasks: 1, leaseMs: 60_000 });
}

function toRequest({ method, url, headers, body }: HostileRequest): Request {
  return new Request(url, { method, headers, ...(body === undefined ? {} : { body }) });
}

/** An answer that keeps the law: no fault of ours, and the envelope that clients expect. */
async function checkAnswer(response: Response): Promise<void> {
  const body = await response.text();
  if (response.status < 400) return;
  expect(response.status, body).toBeLessThan(500);
  const { error } = JSON.parse(body) as { error: WireError };
  expect(error).toMatchObject({ code: response.status, message: error.errors[0]?.message });
  expect(error.message.length, error.message).toBeLessThan(1000);
  expect(error.message).not.toMatch(/\bat .*\.[jt]s|SQLITE|SELECT/);
}

describe.each(["memory:", "sqlite:"])("a server over %s, attacked", (kind) => {
  let folder: string;
  let door: Door;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
    const store = await openStore(kind === "sqlite:" ? `sqlite://${join(folder, "queue.db")}` : kind);
    door = { store, handler: createHandler({ store }) };
  });
  afterAll(async () => {
    await door.store.close();
    await rm(folder, { recursive: true });
  });

  test.each(Object.keys(ROUTES) as RouteName[])(
    "%s answers 4xx to what is wrong, and goes on",
    async (name) => {
      const attack = async (request: HostileRequest) => {
        await prepare(door);
        await checkAnswer(await door.handler(toRequest(request)));
        const health = await door.handler(new Request("http://127.0.0.1:8085/healthz"));
        expect(health.status).toBe(200);
      };
      const property = fc.asyncProperty(hostileRequest(name), attack);
      await fc.assert(property, { seed: FIXED_SEED, numRuns: RUNS });
      await fc.assert(property, { numRuns: RUNS });
    },
  );
});
