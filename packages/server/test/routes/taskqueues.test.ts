import { describe, expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "../support.js";

describe("taskqueues.get", () => {
  test("taskqueues.get shows the full name, and stats only when asked", async () => {
    const { call, insert, lease, clock } = openApi();
    await insert();
    clock.advance(1500);
    await insert();
    await lease();
    await insert();
    const bare = { kind: "taskqueues#taskqueue", id: "projects/s~p/taskqueues/q" };
    expect((await call("GET", QUEUE)).json).toEqual(bare);
    expect((await call("GET", `${QUEUE}?getStats=false`)).json).toEqual(bare);
    expect((await call("GET", `${QUEUE}?getStats=true`)).json).toEqual({
      ...bare,
      stats: {
        totalTasks: 3,
        oldestTask: "1767225601",
        leasedLastMinute: "2",
        leasedLastHour: "2",
        availableTasks: 1,
        leasedTasks: 2,
        payloadBytes: "3",
      },
    });
  });

  test("taskqueues.get writes zeros out for an empty queue", async () => {
    const { call } = openApi();
    await call("PUT", QUEUE, {});
    expect((await call("GET", `${QUEUE}?getStats=true`)).json.stats).toMatchObject({
      totalTasks: 0,
      oldestTask: "0",
      leasedLastMinute: "0",
    });
  });

  test.each(["getStats=1", "getStats=True", "getStats", "getStats=true&getStats=true"])(
    "taskqueues.get refuses %s",
    async (query) => {
      const { call, insert } = openApi();
      await insert();
      expect(refusal(await call("GET", `${QUEUE}?${query}`))).toEqual([400, "invalidParameter", "getStats"]);
    },
  );

  test.each(["p", "s~p", "e~p", "s%7Ep"])("taskqueues.get takes the project as %s", async (project) => {
    const { call, insert } = openApi();
    await insert();
    expect((await call("GET", `${project}/taskqueues/q`)).json.id).toBe("projects/s~p/taskqueues/q");
  });

  test("taskqueues.get shows the prefix that the server was told to show", async () => {
    const { call, insert } = openApi({ prefix: "e~" });
    await insert();
    expect((await call("GET", QUEUE)).json.id).toBe("projects/e~p/taskqueues/q");
  });

  test("taskqueues.get takes domain-scoped projects", async () => {
    const { call, insert } = openApi();
    await insert({}, "example.com:app/taskqueues/q");
    const answer = await call("GET", "s~example.com:app/taskqueues/q");
    expect(answer.json.id).toBe("projects/s~example.com:app/taskqueues/q");
  });

  test.each(["%20/taskqueues/q", "-/taskqueues/q", "p/taskqueues/%00", `p/taskqueues/${"x".repeat(256)}`])(
    "taskqueues.get refuses the names in %j",
    async (path) => {
      const { call } = openApi();
      expect((await call("GET", path)).status).toBe(400);
    },
  );
});

describe("queue management", () => {
  const acl = { consumerEmails: ["worker@example.com"], producerEmails: ["producer@example.com"] };

  test("taskqueues.insert creates a queue with its settings, once", async () => {
    const { call } = openApi();
    const created = await call("POST", "p/taskqueues", { id: "q", maxLeases: 7, acl });
    expect(created.json).toEqual({
      kind: "taskqueues#taskqueue",
      id: "projects/s~p/taskqueues/q",
      maxLeases: 7,
      acl,
    });
    const body = { id: "projects/s~p/taskqueues/q" };
    const twice = await call("POST", "p/taskqueues", body);
    expect(refusal(twice)).toEqual([409, "duplicate", "id"]);
    expect((await call("GET", QUEUE)).json.maxLeases).toBe(7);
  });

  test("taskqueues.insert: of many at once one succeeds", async () => {
    const { call } = openApi();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => call("POST", "p/taskqueues", { id: "q" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
  });

  test.each([
    [{}, [400, "required", "id"]],
    [{ id: "projects/other/taskqueues/q" }, [400, "invalid", "id"]],
    [{ id: "q", mode: "pop" }, [400, "invalid", "mode"]],
    [{ id: "q", maxLeases: 0 }, [400, "invalid", "maxLeases"]],
    [{ id: "q", maxLeases: "many" }, [400, "invalid", "maxLeases"]],
    [{ id: "q", acl: [] }, [400, "invalid", "acl"]],
    [{ id: "q", acl: { consumerEmails: [5] } }, [400, "invalid", "consumerEmails"]],
    [{ id: "" }, [400, "invalid", "taskqueue"]],
  ])("taskqueues.insert refuses %j", async (body, expected) => {
    const { call } = openApi();
    expect(refusal(await call("POST", "p/taskqueues", body))).toEqual(expected);
    expect((await call("GET", "p/taskqueues")).json.items).toBeUndefined();
  });

  test("taskqueues.update creates a queue, and replaces settings without touching tasks", async () => {
    const { call, insert } = openApi();
    expect((await call("PUT", QUEUE, { maxLeases: 3 })).json.maxLeases).toBe(3);
    await insert();
    const replaced = await call("PUT", QUEUE, { id: "q", disabled: true });
    expect(replaced.json).toMatchObject({ disabled: true });
    expect(replaced.json.maxLeases).toBeUndefined();
    expect((await call("GET", `${QUEUE}/tasks`)).json.items).toHaveLength(1);
    expect(refusal(await call("PUT", QUEUE, { id: "other" }))).toEqual([400, "invalid", "id"]);
  });

  test("taskqueues.delete removes a queue with its tasks", async () => {
    const { call, insert } = openApi();
    await insert();
    const answer = await call("DELETE", QUEUE);
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect((await call("GET", QUEUE)).status).toBe(404);
    expect(refusal(await call("DELETE", QUEUE))).toEqual([404, "notFound", "taskqueue"]);
  });

  test("taskqueues.list shows a project's queues by name, in pages", async () => {
    const { call, insert } = openApi();
    for (const name of ["c", "a", "b"]) await insert({}, `p/taskqueues/${name}`);
    await insert({}, "other/taskqueues/x");
    const first = (await call("GET", "s~p/taskqueues?maxResults=2&getStats=true")).json;
    expect(first.kind).toBe("taskqueues#taskqueues");
    expect(first.items.map(({ id }) => id.at(-1))).toEqual(["a", "b"]);
    expect(first.items[0]).toHaveProperty("stats.totalTasks", 1);
    const rest = (await call("GET", `p/taskqueues?pageToken=${first.nextPageToken}`)).json;
    expect(rest.items.map(({ id }) => id.at(-1))).toEqual(["c"]);
    expect(rest.nextPageToken).toBeUndefined();
    expect((await call("GET", "nobody/taskqueues")).json).toEqual({ kind: "taskqueues#taskqueues" });
  });

  test("taskqueues.purge removes all tasks, leased ones too, and says how many", async () => {
    const { call, insert, lease } = openApi();
    await insert();
    await lease();
    await insert();
    expect((await call("POST", `${QUEUE}:purge`)).json).toEqual({
      kind: "taskqueues#purgeResult",
      purged: 2,
    });
    expect((await call("GET", `${QUEUE}/tasks`)).json.items).toBeUndefined();
    expect((await call("POST", "p/taskqueues/none:purge")).status).toBe(404);
  });

  test("taskqueues.purge stops after enoughTasks and says that there may be more", async () => {
    const { call, store } = openApi();
    const task = { payload: new Uint8Array() };
    for (let batch = 0; batch < 3; batch++) {
      await store.insert({ project: "p", queue: "q" }, Array(1000).fill(task));
    }
    const purge = async () => (await call("POST", `${QUEUE}:purge?enoughTasks=1500`)).json;
    expect(await purge()).toEqual({ kind: "taskqueues#purgeResult", purged: 2000, more: true });
    expect(await purge()).toEqual({ kind: "taskqueues#purgeResult", purged: 1000 });
  });

  test("taskqueues.purge stops when its client goes away", async () => {
    const { call, store } = openApi();
    const key = { project: "p", queue: "q" };
    const tasks = Array.from({ length: 1000 }, () => ({ payload: new Uint8Array() }));
    for (let batch = 0; batch < 4; batch++) await store.insert(key, tasks);
    const controller = new AbortController();
    const purge = store.purge.bind(store);
    Object.defineProperty(store, "purge", {
      value: (queue: typeof key, options: Parameters<typeof purge>[1]) =>
        purge(queue, {
          ...options,
          onProgress(removed) {
            options?.onProgress?.(removed);
            controller.abort();
          },
        }),
    });
    const answer = await call("POST", `${QUEUE}:purge`, undefined, { signal: controller.signal });
    expect(answer.status).toBe(499);
    expect((await store.getQueue(key, { stats: true })).stats?.totalTasks).toBe(3000);
  });

  test("queues of a queue.yaml cannot be created, changed or deleted over HTTP, but purged", async () => {
    const { call, insert } = openApi({ managesQueues: false });
    await insert();
    for (const [method, path, body] of [
      ["POST", "p/taskqueues", { id: "x" }],
      ["PUT", QUEUE, {}],
      ["DELETE", QUEUE, undefined],
    ] as const) {
      expect(refusal(await call(method, path, body)).slice(0, 2)).toEqual([403, "forbidden"]);
    }
    expect((await call("POST", `${QUEUE}:purge`)).json.purged).toBe(1);
  });
});
