import { describe, expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "../support.js";

const LETTERS = "p/taskqueues/letters";

/** Lets everything that is not waiting for time go on. */
const wakeOthers = () => new Promise((resolve) => setImmediate(resolve));

/** A queue whose tasks go to `letters` after their first lease, and one that has gone there. */
async function openWithLetter() {
  const api = openApi();
  await api.call("PUT", QUEUE, { maxLeases: 1, deadLetterQueue: "letters" });
  await api.insert({ id: "t1", tag: "a" });
  await api.lease();
  api.clock.advance(61_000);
  expect(await api.lease()).toEqual([]);
  return api;
}

describe("taskqueues.pause and taskqueues.resume", () => {
  test("taskqueues.pause hands nothing out, shows it, and lets renewals and deletes go on", async () => {
    const { call, insert, lease } = openApi();
    await insert();
    const [held] = await lease();
    await insert();
    expect((await call("POST", `${QUEUE}:pause`)).json).toEqual({
      kind: "taskqueues#taskqueue",
      id: "projects/s~p/taskqueues/q",
      paused: true,
    });
    expect((await call("POST", `${QUEUE}:pause`)).json.paused).toBe(true);
    expect(await lease()).toEqual([]);
    const body = { queueName: "q", leaseTimestamp: held?.leaseTimestamp };
    const task = `${QUEUE}/tasks/${held?.id}`;
    expect((await call("POST", `${task}?newLeaseSeconds=5`, body)).status).toBe(200);
    expect((await call("DELETE", task)).status).toBe(200);
    await insert();
    expect((await call("POST", `${QUEUE}:resume`)).json).not.toHaveProperty("paused");
    expect(await lease()).toHaveLength(2);
  });

  test("taskqueues.pause is a state: neither a setting nor changed by settings", async () => {
    const { call, insert, lease } = openApi({ managesQueues: true });
    await insert();
    await call("POST", `${QUEUE}:pause`);
    expect((await call("PUT", QUEUE, { paused: false })).json.paused).toBe(true);
    await call("POST", `${QUEUE}:resume`);
    expect((await call("PUT", QUEUE, { paused: true })).json).not.toHaveProperty("paused");
    expect(await lease()).toHaveLength(1);
  });

  test("a waiting lease on a paused queue waits on, and taskqueues.resume wakes it", async () => {
    const { call, insert, lease } = openApi();
    await insert();
    await call("POST", `${QUEUE}:pause`);
    const waiting = lease("&waitMs=50000");
    await call("POST", `${QUEUE}:resume`);
    expect(await waiting).toHaveLength(1);
  });

  test("taskqueues.wait finds nothing in a paused queue, so that nobody asks again and again", async () => {
    const { call, insert, clock } = openApi();
    await insert();
    const wait = async () => (await call("POST", "p/taskqueues:wait?taskqueue=q&waitMs=1000")).json;
    expect(await wait()).toMatchObject({ available: true });
    await call("POST", `${QUEUE}:pause`);
    const waiting = wait();
    // Answered by now, if the queue were not paused.
    await wakeOthers();
    clock.advance(1000);
    expect(await waiting).toMatchObject({ available: false });
  });

  test.each(["pause", "resume", "redrive", "purge"])(
    "taskqueues.%s of an unknown queue is 404",
    async (verb) => {
      const { call } = openApi();
      expect((await call("POST", `p/taskqueues/none:${verb}`)).status).toBe(404);
      expect((await call("GET", "p/taskqueues/none:tagStats")).status).toBe(404);
    },
  );
});

describe("dead letters", () => {
  test("a dead letter says where it came from and why, whether it is shown, listed or leased", async () => {
    const { call, lease, clock } = await openWithLetter();
    const deadLetter = {
      queueName: "projects/s~p/taskqueues/q",
      id: "t1",
      reason: "retry_limit",
      retryCount: 1,
      timestamp: String(clock.nowUs()),
    };
    const expected = { id: "t1", tag: "a", retry_count: 1, uncountedLeases: 1, deadLetter };
    expect((await call("GET", `${LETTERS}/tasks/t1`)).json).toMatchObject(expected);
    expect((await call("GET", `${LETTERS}/tasks`)).json.items).toMatchObject([expected]);
    expect(await lease("", LETTERS)).toMatchObject([{ ...expected, retry_count: 2 }]);
    expect((await call("GET", `${LETTERS}/tasks?fields=items/deadLetter/reason`)).json.items).toEqual([
      { deadLetter: { reason: "retry_limit" } },
    ]);
  });

  test("taskqueues.redrive moves them back, where attempts start anew", async () => {
    const { call, lease } = await openWithLetter();
    expect((await call("POST", `${LETTERS}:redrive`)).json).toEqual({
      kind: "taskqueues#redriveResult",
      redriven: 1,
    });
    const [task] = await lease();
    expect(task).toMatchObject({ id: "t1", retry_count: 2 });
    expect(task).not.toHaveProperty("deadLetter");
    expect((await call("POST", `${LETTERS}:redrive`)).json).toMatchObject({ redriven: 0 });
  });

  test("taskqueues.redrive stops after enoughTasks and says that there may be more", async () => {
    const { call, lease, clock, store } = openApi();
    await call("PUT", QUEUE, { retentionMs: 1000, deadLetterQueue: "letters" });
    const tasks = Array.from({ length: 1000 }, () => ({ payload: new Uint8Array() }));
    for (let batch = 0; batch < 3; batch++) await store.insert({ project: "p", queue: "q" }, tasks);
    clock.advance(1001);
    await store.sweep();
    const redrive = async () => (await call("POST", `${LETTERS}:redrive?enoughTasks=1500`)).json;
    expect(await redrive()).toEqual({ kind: "taskqueues#redriveResult", redriven: 2000, more: true });
    expect(await redrive()).toEqual({ kind: "taskqueues#redriveResult", redriven: 1000 });
    expect(await lease()).toHaveLength(10);
  });
});

describe("taskqueues.tagStats", () => {
  test("taskqueues.tagStats counts by tag, page by page, the untagged first", async () => {
    const { call, insert } = openApi();
    await insert();
    await insert({ tag: "" });
    await insert({ tag: "b" });
    await insert({ tag: "a", delayMs: 5000 });
    await insert({ tag: "a" });
    const first = (await call("GET", `${QUEUE}:tagStats?maxResults=3`)).json;
    const seconds = "1767225600";
    expect(first).toEqual({
      kind: "taskqueues#tagStats",
      items: [
        { totalTasks: 1, availableTasks: 1, oldestTask: seconds },
        { tag: "", totalTasks: 1, availableTasks: 1, oldestTask: seconds },
        { tag: "a", totalTasks: 2, availableTasks: 1, oldestTask: seconds },
      ],
      nextPageToken: expect.any(String) as string,
    });
    const rest = await call("GET", `${QUEUE}:tagStats?pageToken=${first.nextPageToken}`);
    expect(rest.json).toMatchObject({ items: [{ tag: "b", totalTasks: 1 }] });
    expect(rest.json).not.toHaveProperty("nextPageToken");
  });

  test("taskqueues.tagStats of an empty queue has no items, and refuses wrong pages", async () => {
    const { call } = openApi();
    await call("PUT", QUEUE, {});
    expect((await call("GET", `${QUEUE}:tagStats`)).json).toEqual({ kind: "taskqueues#tagStats" });
    for (const [query, location] of [
      ["maxResults=0", "maxResults"],
      ["maxResults=1001", "maxResults"],
      ["pageToken=nonsense", "pageToken"],
    ]) {
      expect(refusal(await call("GET", `${QUEUE}:tagStats?${query}`))[2]).toBe(location);
    }
  });
});

describe("taskqueues.purge by tag", () => {
  test("taskqueues.purge removes the tasks of one tag, or those without", async () => {
    const { call, insert, lease } = openApi();
    for (const tag of ["a", "a", "b", ""]) await insert({ tag });
    await insert();
    const purge = async (query: string) => (await call("POST", `${QUEUE}:purge?${query}`)).json.purged;
    expect(await purge("tag=a")).toBe(2);
    expect(await purge("tag=")).toBe(1);
    expect(await purge("untagged=true")).toBe(1);
    expect(await purge("tag=a")).toBe(0);
    expect(await lease()).toMatchObject([{ tag: "b" }]);
    expect(await purge("untagged=false")).toBe(1);
  });

  test("taskqueues.purge refuses a tag and none at once, and removes nothing", async () => {
    const { call, insert, lease } = openApi();
    await insert({ tag: "a" });
    const answer = await call("POST", `${QUEUE}:purge?tag=a&untagged=true`);
    expect(refusal(answer)).toEqual([400, "invalidParameter", "untagged"]);
    expect(refusal(await call("POST", `${QUEUE}:purge?tag=${"x".repeat(501)}`))[0]).toBe(400);
    expect(await lease()).toHaveLength(1);
  });
});

describe("settings of a queue's life", () => {
  const SETTINGS = {
    deadLetterQueue: "letters",
    leasesPerSecond: 2.5,
    storageBytesMax: "1048576",
    retentionMs: "86400000",
    tombstoneMs: "60000",
  };

  test("taskqueues.update keeps them, shows them as they were, and resets what is absent", async () => {
    const { call } = openApi();
    expect((await call("PUT", QUEUE, SETTINGS)).json).toMatchObject(SETTINGS);
    expect((await call("GET", QUEUE)).json).toMatchObject(SETTINGS);
    expect((await call("GET", LETTERS)).status).toBe(200);
    const reset = (await call("PUT", QUEUE, {})).json;
    for (const name of Object.keys(SETTINGS)) expect(reset).not.toHaveProperty(name);
  });

  test.each([
    ["deadLetterQueue", "q"],
    ["deadLetterQueue", ""],
    ["deadLetterQueue", 5],
    ["leasesPerSecond", 0],
    ["leasesPerSecond", "10/s"],
    ["leasesPerSecond", -1],
    ["storageBytesMax", -1],
    ["storageBytesMax", "1.5"],
    ["retentionMs", 0],
    ["retentionMs", "1e9"],
    ["retentionMs", "9007199254740991"],
    ["tombstoneMs", -1],
    ["tombstoneMs", true],
  ])("taskqueues.update refuses %s = %j by its name and changes nothing", async (name, value) => {
    const { call } = openApi();
    await call("PUT", QUEUE, SETTINGS);
    expect(refusal(await call("PUT", QUEUE, { [name]: value }))).toEqual([400, "invalid", name]);
    expect((await call("GET", QUEUE)).json).toMatchObject(SETTINGS);
  });

  test("an insert past storageBytesMax is 429 with the way out, alone or in its place of a batch", async () => {
    const { call, insert } = openApi();
    await call("PUT", QUEUE, { storageBytesMax: 3 });
    await insert({ payloadBase64: "YWI=" });
    const answer = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "YWI=" });
    expect(refusal(answer).slice(0, 2)).toEqual([429, "rateLimitExceeded"]);
    const items = [{ payloadBase64: "YWI=" }, { payloadBase64: "YQ==" }];
    const batch = await call("POST", `${QUEUE}/tasks:batchInsert`, { items });
    expect(batch.json.items[0]).toMatchObject({ error: { code: 429, status: "resource_exhausted" } });
    expect(batch.json.items[1]).toHaveProperty("task");
    expect((await call("GET", `${QUEUE}?getStats=true`)).json.stats).toMatchObject({ payloadBytes: "3" });
  });
});

describe("Google's 10 a second", () => {
  test("the eleventh lease in a second is 200 without items, and the next second has ten again", async () => {
    const { call, insert, clock } = openApi();
    await call("PUT", QUEUE, { leasesPerSecond: 10 });
    for (let n = 0; n < 30; n++) await insert();
    const lease = () => call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=60`);
    const leaseEleven = async () => {
      const answers = [];
      for (let n = 0; n < 11; n++) answers.push(await lease());
      return answers.map(({ status, json }) => [status, json.items?.length]);
    };
    const expected = [...Array<number[]>(10).fill([200, 1]), [200, undefined]];
    expect(await leaseEleven()).toEqual(expected);
    clock.advance(1000);
    expect(await leaseEleven()).toEqual(expected);
  });
});
