import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Connection } from "@pullqueue/kombu";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** Tokens as an operator and two users have them: real processes, a queue.yaml with an acl. Needs the build. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

const QUEUE_YAML = `
queue:
- name: jobs
  mode: pull
  acl:
  - user_email: worker@example.com
  - writer_email: producer@example.com
- name: private
  mode: pull
`;

/** How often a change is looked for that must be seen within about a second. */
const ATTEMPTS_MAX = 200;

/** How long a test may take, in milliseconds: each starts a dozen processes, on a busy machine. */
const TEST_MS = 60_000;

/** How long a message may take to arrive, in milliseconds. */
const PATIENCE_MS = 10_000;

const folder = temporaryFolder();
let server: ServerProcess;
let producer: string;
let worker: string;

beforeAll(async () => {
  writeFileSync(folder.file("queue.yaml"), QUEUE_YAML);
  server = await startServerProcess({
    parameters: [
      ...["--auth", "tokens", "--tokens-file", folder.file("tokens.json")],
      ...["--queues", folder.file("queue.yaml"), "--project", "shop"],
    ],
  });
  [producer, worker] = await Promise.all([tokenFor("producer@example.com"), tokenFor("worker@example.com")]);
});

afterAll(async () => {
  await server?.stop();
  folder[Symbol.dispose]();
});

function pullqueue(parameters: readonly string[], token?: string) {
  return runProgram(process.execPath, [COMMAND, ...parameters], {
    environment: {
      PULLQUEUE_ENDPOINT: server.url,
      PULLQUEUE_PROJECT: "shop",
      PULLQUEUE_TOKENS_FILE: folder.file("tokens.json"),
      ...(token === undefined ? {} : { PULLQUEUE_TOKEN: token }),
    },
  });
}

async function tokenFor(email: string, ...parameters: string[]): Promise<string> {
  const made = await pullqueue(["token", "create", "--email", email, ...parameters]);
  expect(made).toMatchObject({ code: 0 });
  return made.stdout.trim();
}

/** Repeats a command until it ends as it should: a running server sees changes within a second. */
async function eventually(run: () => Promise<{ readonly code: number | null }>, code: number): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) if ((await run()).code === code) return;
  throw new Error(`never ended with ${code}`);
}

describe("pullqueue serve --auth tokens", { timeout: TEST_MS }, () => {
  test("put and get work with the right tokens, and with no other", async () => {
    await eventually(() => pullqueue(["put", "jobs", "hello"], producer), 0);
    expect(await pullqueue(["get", "jobs"], worker)).toMatchObject({ code: 0, stdout: "hello\n" });
    const refusals = [
      [["put", "jobs", "x"], undefined, "Login Required"],
      [["put", "jobs", "x"], "pq_unknown", "Invalid Credentials"],
      [["put", "jobs", "x"], worker, "as writer_email"],
      [["get", "jobs"], producer, "as user_email"],
      [["get", "nowhere"], worker, "you are not allowed to make this api call"],
      [["purge", "jobs", "--yes"], worker, "needs the role admin"],
    ] as const;
    await Promise.all(
      refusals.map(async ([command, token, message]) =>
        expect(await pullqueue(command, token), command.join(" ")).toMatchObject({
          code: 1,
          stderr: expect.stringContaining(message),
        }),
      ),
    );
    expect((await pullqueue(["queues", "--json"], worker)).stdout.match(/"queue":"\w+"/g)).toEqual([
      '"queue":"jobs"',
    ]);
    expect(server.stderr()).not.toMatch(/pq_\w{10}/);
  });

  test("a revoked token ends within about a second, and a new one counts, without a restart", async () => {
    const admin = await tokenFor("root@example.com", "--role", "admin");
    await eventually(() => pullqueue(["queues"], admin), 0);
    const listed = await pullqueue(["token", "list", "--json"]);
    const { id } = listed.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .at(-1);
    expect((await pullqueue(["token", "revoke", id])).code).toBe(0);
    await eventually(() => pullqueue(["queues"], admin), 1);
  });

  test("SIGHUP reads the tokens again and does not end the server", async () => {
    process.kill(server.pid, "SIGHUP");
    for (let n = 0; n < ATTEMPTS_MAX && !server.stderr().includes("keys again"); n++) {
      await fetch(`${server.url}/healthz`);
    }
    expect(server.stderr()).toContain("keys again");
  });

  test("a kombu connection sends its token, and is told what is wrong with another", async () => {
    const open = (accessToken: string) =>
      new Connection({
        transport: "appengine",
        transportOptions: { endpoint: server.url, projectName: "shop", accessToken },
      });
    await using sending = open(producer);
    await using receiving = open(worker);
    await eventually(() => pullqueue(["stats", "jobs"], worker), 0);
    await sending.simpleQueue("jobs").put({ message: "hello" });
    const message = await receiving.simpleQueue("jobs").get({ timeoutMs: PATIENCE_MS });
    expect(message.payload).toEqual({ message: "hello" });
    await message.ack();
    await expect(receiving.simpleQueue("jobs").put("x")).rejects.toMatchObject({
      code: "permission_denied",
      message: expect.stringContaining("as writer_email"),
    });
    await using unknown = open("pq_unknown");
    await expect(unknown.simpleQueue("jobs").put("x")).rejects.toMatchObject({ code: "unauthenticated" });
  });
});

test("pullqueue serve on another address than loopback refuses to start, and says three ways to go on", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [COMMAND, "serve", "--host", "0.0.0.0", "--port", "0"],
    {
      encoding: "utf8",
    },
  );
  expect(status).toBe(2);
  expect(stderr).toMatch(/\(1\) listen on 127.0.0.1.*\(2\) make a token.*\(3\)/);
});
