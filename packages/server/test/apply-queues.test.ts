import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { expect, test } from "vitest";
import { applyQueueFile } from "../src/apply-queues.js";
import { parseQueueYaml } from "../src/queue-yaml.js";

test("applyQueueFile() creates and changes the file's queues and disables the project's others, once", async () => {
  const store = openMemoryStore();
  const both = parseQueueYaml("queue:\n- {name: a, mode: pull}\n- {name: b, mode: pull}\n");
  const apply = async (file: typeof both) => (await applyQueueFile(store, "p", file)).disabled;
  expect(await apply(both)).toEqual([]);
  await applyQueueFile(store, "other", both);
  const one = parseQueueYaml("queue:\n- {name: a, mode: pull, retry_parameters: {task_retry_limit: 2}}\n");
  expect(await apply(one)).toEqual(["b"]);
  expect(await apply(one)).toEqual([]);
  const settings = async (project: string, queue: string) =>
    (await store.getQueue({ project, queue })).settings;
  expect(await settings("p", "a")).toMatchObject({ maxLeases: 2, disabled: false });
  expect(await settings("p", "b")).toMatchObject({ disabled: true });
  expect(await settings("other", "b")).toMatchObject({ disabled: false });
  await applyQueueFile(store, "p", both);
  expect(await settings("p", "b")).toMatchObject({ disabled: false });
});

test("applyQueueFile() looks at every page of queues", async () => {
  const store = openMemoryStore();
  for (let i = 0; i < 1005; i++) {
    await store.insert({ project: "p", queue: `q${i}` }, [{ payload: new Uint8Array() }]);
  }
  const file = parseQueueYaml("queue:\n- {name: q7, mode: pull}\n");
  expect((await applyQueueFile(store, "p", file)).disabled).toHaveLength(1004);
});

test("applyQueueFile() leaves paused queues paused, and resumes the file's own when it says so", async () => {
  const store = openMemoryStore();
  const text = "queue:\n- {name: a, mode: pull}\n- {name: b, mode: pull}\n";
  await applyQueueFile(store, "p", parseQueueYaml(text));
  const paused = async (queue: string) => (await store.getQueue({ project: "p", queue })).paused;
  await store.pauseQueue({ project: "p", queue: "a" });
  expect((await applyQueueFile(store, "p", parseQueueYaml(text))).resumed).toEqual([]);
  expect(await paused("a")).toBe(true);
  const resuming = parseQueueYaml(`resume_paused_queues: true\n${text}`);
  expect((await applyQueueFile(store, "p", resuming)).resumed).toEqual(["a"]);
  expect(await paused("a")).toBe(false);
});
