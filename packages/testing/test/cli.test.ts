import { once } from "node:events";
import { cpSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { runProgram } from "../src/run-program.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** The command as a process: what only a process has, which is signals, pipes and exit codes. Needs the build. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

/** What `serve` promises to print when it is ready. */
const READY_LINE = /^pullqueue listening on (http:\/\/127\.0\.0\.1:\d+)$/;

const QUEUES = "/taskqueue/v1beta2/projects/default/taskqueues";

/** Most round trips until something must have happened. */
const ATTEMPTS_MAX = 1000;

/** How long a process may take to start or to end, in milliseconds, on a busy machine. */
const PROCESS_MS = 20_000;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess();
});

afterAll(() => server?.stop());

function pullqueue(parameters: readonly string[], input = "") {
  return runProgram(process.execPath, [COMMAND, ...parameters], {
    environment: { PULLQUEUE_ENDPOINT: server.url },
    input,
  });
}

function start(...parameters: string[]) {
  const environment = { ...process.env, PULLQUEUE_ENDPOINT: server.url };
  return startChild(process.execPath, [COMMAND, ...parameters], { environment });
}

async function statsOf(queue: string): Promise<{ totalTasks: number; availableTasks: number }> {
  const { stdout } = await pullqueue(["stats", queue, "--json"]);
  return JSON.parse(stdout) as { totalTasks: number; availableTasks: number };
}

describe("pullqueue", () => {
  test("put, get, list, queues, stats and purge work over a socket", async () => {
    expect((await pullqueue(["put", "all", "--lines", "-"], "a\nb\nc\n")).stdout).toBe("3 tasks put\n");
    expect((await pullqueue(["get", "all"])).stdout).toBe("a\n");
    expect((await pullqueue(["list", "all", "--json"])).stdout.trim().split("\n")).toHaveLength(2);
    expect((await pullqueue(["queues"])).stdout).toMatch(/^all +2 +2/m);
    expect(await statsOf("all")).toMatchObject({ totalTasks: 2 });
    expect((await pullqueue(["purge", "all", "--yes"])).stdout).toBe("2 tasks removed from all\n");
    expect((await pullqueue(["get", "all"])).code).toBe(3);
  });

  test("without its build it says what to do", async () => {
    using folder = temporaryFolder();
    cpSync(COMMAND, folder.file("pullqueue.mjs"));
    const { code, stderr } = await runProgram(process.execPath, [folder.file("pullqueue.mjs")]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "pullqueue: it is not built yet: run npm run build first\n",
    });
  });

  test("a reader that goes away ends get --follow silently, and nothing stays leased", async () => {
    await pullqueue(["put", "pipe", "--lines", "-"], "a\nb\nc\n");
    const script = `"$0" "$1" get pipe --follow | head -n 1`;
    const reading = runProgram("bash", ["-o", "pipefail", "-c", script, process.execPath, COMMAND], {
      environment: { PULLQUEUE_ENDPOINT: server.url },
    });
    // The pipe is only seen to be closed when something more is written to it.
    const feeding = new AbortController();
    const feed = async () => {
      while (!feeding.signal.aborted) await pullqueue(["put", "pipe", "more"]);
    };
    const fed = feed();
    const { code, stdout, stderr } = await reading;
    feeding.abort();
    await fed;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "a\n", stderr: "" });
    const { totalTasks, availableTasks } = await statsOf("pipe");
    expect(availableTasks).toBe(totalTasks);
  });

  test("get into a full disk says so, and the task is not lost", async () => {
    await pullqueue(["put", "full", "a"]);
    const { code, stderr } = await runProgram(
      "bash",
      ["-c", '"$0" "$1" get full > /dev/full', process.execPath, COMMAND],
      { environment: { PULLQUEUE_ENDPOINT: server.url } },
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^pullqueue: .*no space left on device.* \(ENOSPC\)\n$/);
    expect(await statsOf("full")).toMatchObject({ totalTasks: 1, availableTasks: 1 });
  });

  test.each([
    ["SIGINT", 0],
    ["SIGTERM", 143],
  ] as const)("%s ends get --follow at once, and nothing stays leased", async (signal, code) => {
    const queue = signal.toLowerCase();
    await using getting = start("get", queue, "--follow", "--keep");
    await pullqueue(["put", queue, "a"]);
    await getting.line(/^a$/, PROCESS_MS);
    getting.signal(signal);
    expect(await getting.exited(PROCESS_MS)).toEqual({ code, signal: null });
    expect(getting.stderr()).toBe("");
    expect(await statsOf(queue)).toMatchObject({ totalTasks: 1, availableTasks: 1 });
  });

  test("get --follow outlives a server that is killed: it says once that it is away, and prints what comes after", async () => {
    using folder = temporaryFolder();
    const store = `sqlite:${folder.file("queue.db")}`;
    await using first = await startServerProcess({ store });
    const environment = { ...process.env, PULLQUEUE_ENDPOINT: first.url };
    const run = (...parameters: string[]) =>
      runProgram(process.execPath, [COMMAND, ...parameters], { environment });
    await using following = startChild(process.execPath, [COMMAND, "get", "jobs", "--follow"], {
      environment,
    });
    await run("put", "jobs", "a");
    await following.line(/^a$/, PROCESS_MS);
    await first.kill9();
    await using _second = await startServerProcess({
      store,
      parameters: ["--port", new URL(first.url).port],
    });
    await run("put", "jobs", "b");
    await following.line(/^b$/, PROCESS_MS);
    following.signal("SIGINT");
    expect(await following.exited(PROCESS_MS)).toEqual({ code: 0, signal: null });
    expect(following.stderr()).toMatch(
      /^pullqueue: the server is away, trying until it is back: .* \(unavailable\)\n$/,
    );
  });

  test("SIGINT ends put that waits for standard input", async () => {
    await using putting = start("put", "input", "--lines", "-");
    putting.write("a");
    await using following = start("get", "input", "--follow");
    await following.line(/^a$/, PROCESS_MS);
    putting.signal("SIGINT");
    expect(await putting.exited(PROCESS_MS)).toEqual({ code: 130, signal: null });
  });
});

describe("pullqueue serve", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s answers waiting leases, closes the store and exits with 0",
    async (signal) => {
      using folder = temporaryFolder();
      await using serving = start("serve", "--port", "0", "--store", `sqlite:${folder.file("queue.db")}`);
      const [, url = ""] = await serving.line(READY_LINE, PROCESS_MS);
      expect(serving.stderr()).toContain("queues come into being on first use");
      const waiting = fetch(`${url}${QUEUES}/jobs/tasks/lease?numTasks=1&leaseSecs=60&waitMs=50000`, {
        method: "POST",
      });
      // The waiting lease makes the queue; once it is there the lease waits.
      await untilOk(() => fetch(`${url}${QUEUES}/jobs`));
      serving.signal(signal);
      expect((await waiting).status).toBe(503);
      expect(await serving.exited(PROCESS_MS)).toEqual({ code: 0, signal: null });
    },
  );

  test("the same signal twice at once, as npm and a terminal send it, lets a running request finish", async () => {
    await using serving = start("serve", "--port", "0", "--store", "memory:");
    const [, url = ""] = await serving.line(READY_LINE, PROCESS_MS);
    const request = await beginRequest(url);
    serving.signal("SIGINT");
    serving.signal("SIGTERM");
    await untilRefused(() => fetch(`${url}/healthz`));
    expect(await request.finish()).toMatch(/^HTTP\/1\.1 200 /);
    expect(await serving.exited(PROCESS_MS)).toEqual({ code: 0, signal: null });
  });

  test("a second SIGTERM, by somebody who has no patience, ends it at once with 143", async () => {
    await using serving = start("serve", "--port", "0", "--store", "memory:");
    const [, url = ""] = await serving.line(READY_LINE, PROCESS_MS);
    const request = await beginRequest(url);
    const impatience = setInterval(() => serving.signal("SIGTERM"), 100);
    try {
      expect(await serving.exited(PROCESS_MS)).toEqual({ code: 143, signal: null });
    } finally {
      clearInterval(impatience);
      request.abandon();
    }
  });

  test("a port in use, a bad store and a bad queue.yaml are sentences", async () => {
    using folder = temporaryFolder();
    writeFileSync(
      folder.file("queue.yaml"),
      "queue:\n- name: jobs\n  mode: pull\n  nonsense: 1\n- mode: pull\n",
    );
    await using taken = await listenSomewhere();
    const cases = [
      [["--store", "memory:", "--port", String(taken.port)], 1, `port ${taken.port}: it is in use`],
      [["--store", `sqlite:${folder.file("none/queue.db")}`], 2, "folder of the SQLite file does not exist"],
      [["--store", "floppy:a"], 2, "a store's address is memory:"],
      [["--store", "memory:", "--queues", folder.file("queue.yaml"), "--project", "p"], 2, "line 4"],
      [["--store", "memory:", "--host", "0.0.0.0"], 2, "others can reach this server"],
      [["--store", "memory:", "--port", "many"], 2, "--port (PULLQUEUE_PORT, or port in the file)"],
    ] as const;
    for (const [parameters, exitCode, sentence] of cases) {
      const { code, stdout, stderr } = await pullqueue(["serve", "--port", "0", ...parameters]);
      expect(stderr).toContain(sentence);
      expect(stderr).not.toContain("    at ");
      expect({ code, stdout }).toEqual({ code: exitCode, stdout: "" });
    }
  });
});

/** Takes a port. */
async function listenSomewhere(): Promise<AsyncDisposable & { readonly port: number }> {
  const listener = createServer();
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void listener.close(() => resolve())),
  };
}

/** An insert whose body is only half sent: the server waits for the rest, also when it is about to end. */
async function beginRequest(url: string) {
  const body = '{"queueName": "q", "payloadBase64": "YQ=="}';
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {}); // When the server goes away; what the test expects says more.
  await once(socket, "connect");
  const head = `POST ${QUEUES}/q/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.write(head + body.slice(0, 5));
  // Answered after the server has seen our request, which came before.
  await untilOk(() => fetch(`${url}/healthz`));
  return {
    finish: async () => {
      socket.write(body.slice(5));
      return String((await once(socket, "data"))[0]);
    },
    abandon: () => void socket.destroy(),
  };
}

/** Asks again until the answer is 200; each answer is a round trip to another process. */
async function untilOk(ask: () => Promise<Response>): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    if ((await ask()).ok) return;
  }
  throw new Error("it did not come");
}

/** Asks again until nobody listens any more. */
async function untilRefused(ask: () => Promise<Response>): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const isRefused = await ask().then(
      () => false,
      () => true,
    );
    if (isRefused) return;
  }
  throw new Error("it still listens");
}
