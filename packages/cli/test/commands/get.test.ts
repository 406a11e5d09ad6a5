import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { type NewTask, QueueError } from "@pullqueue/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SIGNALS } from "../../src/failure.js";
import { inEnvelope } from "../../src/task-content.js";
import { startTestServer, type TestServer } from "../support.js";

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server[Symbol.asyncDispose]());

async function insert(...tasks: (string | NewTask)[]): Promise<void> {
  const described = tasks.map((task) => (typeof task === "string" ? { payload: Buffer.from(task) } : task));
  const results = await server.store.insert(server.jobs, described);
  expect(results.every(({ ok }) => ok)).toBe(true);
}

/** How many tasks are there, and how many of them somebody could lease now. */
async function counts(): Promise<readonly [total: number, available: number]> {
  const { stats } = await server.store.getQueue(server.jobs, { stats: true });
  return [stats?.totalTasks ?? -1, stats?.availableTasks ?? -1];
}

describe("get", () => {
  test("get prints the oldest task as a line and deletes it", async () => {
    await insert("first", "second\n");
    expect(await server.pullqueue(["get", "jobs"])).toMatchObject({ code: 0, stdout: "first\n" });
    expect(await server.pullqueue(["get", "jobs"])).toMatchObject({ code: 0, stdout: "second\n" });
    expect(await counts()).toEqual([0, 0]);
  });

  test("get of an empty queue prints nothing, says where it looked, and ends with 3", async () => {
    const { code, stdout, stderr } = await server.pullqueue(["get", "jobs"]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toBe("there is no task to get in the queue jobs of the project default\n");
  });

  test("get --count takes up to so many, and no more", async () => {
    await insert("a", "b", "c");
    expect((await server.pullqueue(["get", "jobs", "--count", "2"])).stdout).toBe("a\nb\n");
    expect((await server.pullqueue(["get", "jobs", "--count", "2"])).stdout).toBe("c\n");
  });

  test("get --count over several leases prints each task once, in order", async () => {
    const texts = Array.from({ length: 1050 }, (_, n) => `task ${n}`);
    await insert(...texts.slice(0, 1000));
    await insert(...texts.slice(1000));
    const { stdout } = await server.pullqueue(["get", "jobs", "--count", "2000"]);
    expect(stdout).toBe(`${texts.join("\n")}\n`);
    expect(await counts()).toEqual([0, 0]);
  });

  test("get --keep gives the tasks back at the end, uncounted", async () => {
    await insert("a", "b");
    const { stdout } = await server.pullqueue(["get", "jobs", "--count", "5", "--keep"]);
    expect(stdout).toBe("a\nb\n");
    expect(await counts()).toEqual([2, 2]);
    const page = await server.store.peek(server.jobs, { limit: 10 });
    expect(page.tasks.map(({ retryCount, uncounted }) => retryCount - uncounted)).toEqual([0, 0]);
  });

  test("get shows the body of a kombu message, and with --raw the payload exactly as it is stored", async () => {
    const payload = inEnvelope(Buffer.from('{"n": 1}'), "jobs");
    await insert({ payload });
    expect((await server.pullqueue(["get", "jobs", "--keep"])).stdout).toBe('{"n": 1}\n');
    const { output } = await server.pullqueue(["get", "jobs", "--raw"]);
    expect(output).toEqual(Buffer.from(payload));
  });

  test("get --raw keeps bytes that are no text", async () => {
    await insert({ payload: new Uint8Array([0xff, 0x00]) });
    expect((await server.pullqueue(["get", "jobs", "--raw"])).output).toEqual(Buffer.from([0xff, 0x00]));
  });

  test("get --json prints a line for each task", async () => {
    await insert({ payload: inEnvelope(Buffer.from('{"n": 1}'), "jobs"), tag: "t" }, "raw");
    const { stdout } = await server.pullqueue(["get", "jobs", "--count", "2", "--json"]);
    const [first, second] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(first).toMatchObject({
      queue: "jobs",
      tag: "t",
      retryCount: 1,
      envelope: "kombu",
      body: { n: 1 },
    });
    expect(second).toMatchObject({ queue: "jobs", envelope: "raw", body: "raw" });
  });

  test("get --tag takes tasks of that tag only", async () => {
    await insert("untagged", { payload: Buffer.from("tagged"), tag: "t" });
    expect((await server.pullqueue(["get", "jobs", "--tag", "t"])).stdout).toBe("tagged\n");
    expect((await server.pullqueue(["get", "jobs", "--tag", "t"])).code).toBe(3);
  });

  test("get --wait ends with the first task that comes", async () => {
    const getting = server.pullqueue(["get", "jobs", "--wait", "30s"]);
    await insert("late");
    expect(await getting).toMatchObject({ code: 0, stdout: "late\n" });
  });

  test("get --wait ends with 3 when the time is up", async () => {
    expect(await server.pullqueue(["get", "jobs", "--wait", "200ms"])).toMatchObject({ code: 3, stdout: "" });
  });

  test("get --follow prints what comes until it is interrupted, then ends with 0 and holds nothing", async () => {
    const interruption = new AbortController();
    const seen = new PassThrough();
    const following = server.pullqueue(["get", "jobs", "--follow"], {
      signal: interruption.signal,
      onOutput: (text) => seen.write(text),
    });
    for (const text of ["a", "b"]) {
      const printed = once(seen, "data");
      await insert(text);
      expect(String((await printed)[0])).toBe(`${text}\n`);
    }
    interruption.abort(SIGNALS.SIGINT);
    expect(await following).toMatchObject({ code: 0, stdout: "a\nb\n", stderr: "" });
    await insert("c");
    expect(await counts()).toEqual([1, 1]);
  });

  test("get --follow whose server is away when it deletes tries again, and prints no task twice", async () => {
    const interruption = new AbortController();
    const remove = server.store.delete.bind(server.store);
    let attempts = 0;
    const deleted = new Promise<void>((resolve) => {
      Object.defineProperty(server.store, "delete", {
        value: async (...call: Parameters<typeof remove>) => {
          attempts += 1;
          if (attempts === 1) throw new QueueError("unavailable", "the database is away");
          const results = await remove(...call);
          resolve();
          return results;
        },
      });
    });
    await insert("a");
    const following = server.pullqueue(["get", "jobs", "--follow"], { signal: interruption.signal });
    await deleted;
    interruption.abort(SIGNALS.SIGINT);
    const { code, stdout, stderr } = await following;
    expect({ code, stdout }).toEqual({ code: 0, stdout: "a\n" });
    expect(stderr).toMatch(
      /^pullqueue: the server is away, trying until it is back: .*database is away.*\n$/,
    );
    expect(await counts()).toEqual([0, 0]);
  });

  test("get gives back what it could not write, and a closed pipe is silent", async () => {
    await insert("a", "b", "c");
    let writes = 0;
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        writes += 1;
        done(writes === 1 ? null : Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      },
    });
    stdout.on("error", () => {});
    const { code, stderr } = await server.pullqueue(["get", "jobs", "--count", "3"], { stdout });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await counts()).toEqual([2, 2]);
  });

  test("get that is interrupted while it writes deletes what was written and gives back the rest", async () => {
    await insert("a", "b", "c");
    const interruption = new AbortController();
    const { code, stdout } = await server.pullqueue(["get", "jobs", "--count", "3"], {
      signal: interruption.signal,
      onOutput: () => interruption.abort(SIGNALS.SIGTERM),
    });
    expect({ code, stdout }).toEqual({ code: 143, stdout: "a\n" });
    expect(await counts()).toEqual([2, 2]);
  });

  test("get that is interrupted while it waits ends with 130", async () => {
    const interruption = new AbortController();
    const getting = server.pullqueue(["get", "jobs", "--wait", "30s"], { signal: interruption.signal });
    interruption.abort(SIGNALS.SIGINT);
    expect(await getting).toMatchObject({ code: 130, stdout: "", stderr: "" });
  });

  test("get renews its leases while its output is not read", async () => {
    await insert("a", "b");
    const reader = new AbortController();
    const writing = new PassThrough();
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        writing.write("x");
        if (reader.signal.aborted) done();
        else reader.signal.addEventListener("abort", () => done());
      },
    });
    const getting = server.pullqueue(["get", "jobs", "--count", "2", "--lease", "2s"], { stdout });
    await once(writing, "data");
    // Longer than the lease; the server waits, not the test.
    const others = await server.store.lease([server.jobs], { maxTasks: 2, leaseMs: 1_000, waitMs: 3_000 });
    expect(others).toEqual([]);
    reader.abort();
    expect((await getting).code).toBe(0);
    expect(await counts()).toEqual([0, 0]);
  });

  test("get says which task it printed but could not delete, and ends with 1", async () => {
    await insert("a");
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        void server.store.purge(server.jobs).then(() => done());
      },
    });
    const { code, stderr } = await server.pullqueue(["get", "jobs"], { stdout });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^pullqueue: the task [0-9a-f]{16} was printed but not deleted: /);
  });

  test.each([
    [["get", "jobs", "--follow", "--wait", "1s"], "leave out --wait"],
    [["get", "jobs", "--keep", "--count", "1001"], "at most 1000"],
    [["get", "jobs", "--lease", "1s"], "Expected from 2s"],
    [["get", "jobs", "--count", "0"], "whole number from 1 up"],
    [["get"], "missing required argument 'queue'"],
    [["get", "jobs", "more"], "too many arguments"],
  ])("%j is refused and says why", async (parameters, why) => {
    const { code, stdout, stderr } = await server.pullqueue(parameters);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(why);
  });
});
