import { handlerClient, manualClock, openHttpStore, openMemoryStore, QueueError } from "@pullqueue/core";
import { createHandler } from "@pullqueue/server";
import { expect, onTestFinished, test } from "vitest";

const QUEUE = { project: "p", queue: "q" };
const REQUEST = { maxTasks: 1, leaseMs: 60_000, waitMs: 30_000 };
const CLOSED = new QueueError("closed", "the server is closing");

/** A client of a server that goes on being reachable while it closes, as behind a proxy. */
function openBehindProxy() {
  const clock = manualClock();
  const store = openMemoryStore({ clock });
  const closing = new AbortController();
  const first = createHandler({ store, clock, closing: closing.signal });
  const successor = createHandler({ store, clock });
  const answers: number[] = [];
  let handler = first;
  const counted = async (request: Request) => {
    const response = await handler(request);
    if (/tasks\/lease|:wait/.test(request.url)) answers.push(response.status);
    return response;
  };
  const client = openHttpStore({ client: handlerClient(counted, { clock }), clock, random: () => 0 });
  onTestFinished(() => client.close());
  const replace = () => {
    handler = successor;
  };
  return { clock, store, client, answers, close: () => closing.abort(CLOSED), replace };
}

/** Lets everything happen that waits for no clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("lease() over HTTP waits on while its server closes, asking once a second at most, and its successor answers", async () => {
  const all = openBehindProxy();
  const leased = all.client.lease([QUEUE], REQUEST);
  await settle();
  all.close();
  await settle();
  expect(all.answers).toEqual([503]);
  for (let second = 0; second < 3; second++) {
    all.clock.advance(1000);
    await settle();
  }
  expect(all.answers.length).toBeLessThanOrEqual(4);
  all.replace();
  await all.store.insert(QUEUE, [{ payload: Buffer.from("late") }]);
  all.clock.advance(5000);
  await settle();
  expect(await leased).toMatchObject([{ payload: Buffer.from("late"), retryCount: 1 }]);
});

test("wait() over HTTP does the same", async () => {
  const all = openBehindProxy();
  const waiting = all.client.wait([QUEUE], REQUEST.waitMs);
  await settle();
  all.close();
  await settle();
  expect(all.answers).toEqual([503]);
  all.replace();
  await all.store.insert(QUEUE, [{ payload: Buffer.from("late") }]);
  all.clock.advance(2000);
  expect(await waiting).toBe(true);
});
