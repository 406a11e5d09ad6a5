import { expect, test } from "vitest";
import { type AnswerJson, openApi } from "./support.js";

/**
 * Google's generic clients know no API: they read the discovery document and do what it says. This is one of them, in
 * a few lines; it knows no path, verb or parameter of ours.
 */

interface DiscoveredMethod {
  readonly path: string;
  readonly httpMethod: string;
  readonly request?: object;
  readonly response?: object;
  readonly parameters: Readonly<
    Record<string, { readonly location: "path" | "query"; readonly required?: true }>
  >;
}

interface Discovered {
  readonly baseUrl: string;
  readonly resources: Readonly<
    Record<string, { readonly methods: Readonly<Record<string, DiscoveredMethod>> }>
  >;
}

async function build(discoveryUrl: string, send: (request: Request) => Promise<Response>) {
  const document = (await (await send(new Request(discoveryUrl))).json()) as Discovered;
  return async (
    name: string,
    parameters: Record<string, unknown>,
    resource?: object,
  ): Promise<AnswerJson> => {
    const [group, verb] = name.split(".") as [string, string];
    const method = document.resources[group]!.methods[verb]!;
    const query = new URLSearchParams(method.response === undefined ? {} : { alt: "json" });
    let { path } = method;
    for (const [key, { location, required }] of Object.entries(method.parameters)) {
      const value = parameters[key];
      if (value === undefined && required) throw new TypeError(`missing ${key}`);
      if (location === "path") path = path.replace(`{${key}}`, encodeURIComponent(String(value)));
      else for (const one of value === undefined ? [] : [value].flat()) query.append(key, String(one));
    }
    const response = await send(
      new Request(`${document.baseUrl}${path}?${query}`, {
        method: method.httpMethod,
        ...(method.request === undefined ? {} : { body: JSON.stringify(resource) }),
      }),
    );
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as AnswerJson;
  };
}

test("a client that knows nothing but the discovery document works a queue from insert to delete", async () => {
  const { handler, clock } = openApi();
  const taskqueue = await build("http://127.0.0.1:8085/discovery/v1/apis/taskqueue/v1beta2/rest", handler);
  const queue = { project: "s~my-app", taskqueue: "pull-queue" };
  const body = { queueName: "pull-queue", payloadBase64: "eA==", tag: "t" };
  const inserted = await taskqueue("tasks.insert", queue, body);
  const info = await taskqueue("taskqueues.get", { ...queue, getStats: true });
  expect(info.stats?.totalTasks).toBe(1);
  const { items } = await taskqueue("tasks.lease", { ...queue, numTasks: 5, leaseSecs: 30 });
  const leased = items[0]!;
  expect(leased).toMatchObject({ id: inserted.id, payloadBase64: "eA==" });
  const task = { ...queue, task: leased.id, newLeaseSeconds: 90 };
  const updated = await taskqueue("tasks.update", task, leased);
  expect(updated.leaseTimestamp).toBe(String(clock.nowUs() + 90_000_000));
  await taskqueue("tasks.patch", task, { queueName: "pull-queue" });
  expect((await taskqueue("tasks.list", queue)).items).toHaveLength(1);
  expect((await taskqueue("tasks.get", task)).retry_count).toBe(1);
  expect(await taskqueue("tasks.delete", task)).toBeUndefined();
  await expect(taskqueue("tasks.get", task)).rejects.toThrow(/^404/);
});

test("a client that knows nothing but the discovery document uses the extensions", async () => {
  const { handler } = openApi();
  const taskqueue = await build("http://127.0.0.1:8085/discovery/v1/apis/taskqueue/v1beta2/rest", handler);
  const project = { project: "p" };
  for (const id of ["a/b", "c"]) await taskqueue("taskqueues.insert", project, { id });
  const queue = { ...project, taskqueue: "a/b" };
  await taskqueue("taskqueues.update", queue, { maxLeases: 3 });
  const batch = await taskqueue("tasks.batchInsert", queue, { items: [{ payloadBase64: "" }] });
  const id = batch.items[0]?.task?.id;
  const lease = { ...project, taskqueue: ["a/b", "c"], numTasks: 1, leaseSecs: 9, waitMs: 1000 };
  expect((await taskqueue("taskqueues.lease", lease)).items).toHaveLength(1);
  const held = { id, retryCount: 1 };
  await taskqueue("tasks.batchUpdate", queue, { items: [{ ...held, newLeaseSeconds: 60 }] });
  expect((await taskqueue("tasks.batchDelete", queue, { items: [held] })).items).toEqual([{}]);
  expect((await taskqueue("taskqueues.purge", queue)).purged).toBe(0);
  expect((await taskqueue("taskqueues.pause", queue)).paused).toBe(true);
  expect(await taskqueue("taskqueues.resume", queue)).not.toHaveProperty("paused");
  expect((await taskqueue("taskqueues.redrive", queue)).redriven).toBe(0);
  expect((await taskqueue("taskqueues.tagStats", queue)).items).toBeUndefined();
  await taskqueue("taskqueues.delete", queue);
  expect((await taskqueue("taskqueues.list", project)).items).toHaveLength(1);
});
