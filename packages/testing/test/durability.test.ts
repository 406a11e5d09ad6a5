import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { programPath } from "../src/program-path.js";
import { type RestClient, type RestTask, restClient, tasksOf } from "../src/rest-client.js";
import { whenReady } from "../src/server-process.js";
import { isMissing } from "../src/services.js";
import {
  answersTooEarly,
  readTrace,
  straceParameters,
  type TraceEvent,
  wasSyncedBeforeAnswer,
} from "../src/syscall-trace.js";
import { temporaryFolder } from "../src/temp.js";

/** How long the traced server may take to end, in milliseconds. */
const END_MS = 20_000;

/** Inserts that are sent at once, so that some share a transaction. */
const CONCURRENT = 40;

/** What a server with this manner asked of the system while `work` talked to it. */
async function traceOf(
  manner: "careful" | "careless",
  work: (rest: RestClient) => Promise<void>,
): Promise<TraceEvent[]> {
  using folder = temporaryFolder();
  const trace = folder.file("trace");
  const command = [process.execPath, programPath("sqlite-server"), folder.file("queue.db"), manner];
  await using child = startChild("strace", [...straceParameters(trace), ...command]);
  const { url } = await whenReady(child);
  await work(restClient(url, "durable", "queue"));
  child.endInput();
  expect(await child.exited(END_MS), child.stderr()).toEqual({ code: 0, signal: null });
  return readTrace(readFileSync(trace, "latin1"));
}

/** Each call changes something, and waits for the answer of the one before. */
async function oneAfterTheOther(rest: RestClient): Promise<void> {
  const payloadBase64 = Buffer.from("one page or less").toString("base64");
  const ok = async (...call: Parameters<RestClient["call"]>) => {
    const answer = await rest.call(...call);
    expect(answer.status, JSON.stringify(answer.json)).toBe(200);
    return answer;
  };
  for (let round = 0; round < 5; round++) {
    await ok("tasks.insert", { body: { payloadBase64 } });
    await ok("tasks.batchInsert", { body: { items: [{ payloadBase64 }, { payloadBase64 }] } });
    const leased = tasksOf(await ok("tasks.lease", { query: { numTasks: 3, leaseSecs: 60 } }));
    const [first, second, third] = leased as [RestTask, RestTask, RestTask];
    const query = { newLeaseSeconds: 100 };
    await ok("tasks.update", {
      task: first.id,
      query,
      body: { id: first.id, leaseTimestamp: first.leaseTimestamp },
    });
    await ok("tasks.delete", { task: first.id });
    await ok("tasks.batchDelete", { body: { items: [{ id: second.id }, { id: third.id }] } });
  }
}

const CALLS = 5 * 6;

const ids = Array.from(
  { length: CONCURRENT },
  (_, index) => `durable-${String(index).padStart(4, "0")}-task`,
);

async function allAtOnce(rest: RestClient): Promise<void> {
  const answers = await Promise.all(
    ids.map((id) => rest.call("tasks.insert", { body: { id, payloadBase64: "" } })),
  );
  expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
}

const isAnswer = (event: TraceEvent) => event.kind === "answered" && event.status === 200;

describe.skipIf(isMissing("strace"))("a 200 means on disk", { timeout: 120_000 }, () => {
  test("insert, lease, renewal and delete are answered after the log was synced", async () => {
    const events = await traceOf("careful", oneAfterTheOther);
    expect(events.filter(isAnswer)).toHaveLength(CALLS);
    expect(answersTooEarly(events)).toEqual([]);
  });

  test("inserts that are sent at once are each answered after the log with it was synced", async () => {
    const events = await traceOf("careful", allAtOnce);
    expect(ids.filter((id) => !wasSyncedBeforeAnswer(events, id))).toEqual([]);
  });

  test("a server with synchronous=OFF is caught", async () => {
    const events = await traceOf("careless", async (rest) => {
      await oneAfterTheOther(rest);
      await allAtOnce(rest);
    });
    expect(answersTooEarly(events).length).toBeGreaterThanOrEqual(CALLS);
    expect(ids.some((id) => wasSyncedBeforeAnswer(events, id))).toBe(false);
  });
});
