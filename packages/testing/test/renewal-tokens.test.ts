import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Connection, type ConnectionOptions, isLeaseLost, type Message } from "@pullqueue/kombu";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { READY_MS, type ServerProcess, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** Access tokens that end while a handler blocks the event loop, which alone can ask for others. Real processes. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

/** Long enough for a thread to start and to renew it at two thirds, on a machine that is slow. */
const LEASE_MS = 5_000;

/** Longer than a lease, and than one that was renewed just before its token ended. */
const BLOCK_MS = LEASE_MS + 2_500;

const folder = temporaryFolder();
const tokensFile = folder.file("tokens.json");
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ parameters: ["--auth", "tokens", "--tokens-file", tokensFile] });
});

afterAll(async () => {
  await server?.stop();
  folder[Symbol.dispose]();
});

async function newToken(): Promise<string> {
  const file = ["--tokens-file", tokensFile];
  const create = [COMMAND, "token", "create", ...file, "--role", "admin", "--email", "a@b.example"];
  const { code, stdout, stderr } = await runProgram(process.execPath, create);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return stdout.trim();
}

/** A token that a call ends, for the server within a second. */
async function endingToken(): Promise<{ readonly token: string; readonly end: () => void }> {
  const without = folder.file("without.json");
  copyFileSync(tokensFile, without);
  return { token: await newToken(), end: () => renameSync(without, tokensFile) };
}

type AppEngine = Extract<
  ConnectionOptions,
  { readonly transport: "appengine" | "kombu_appengine:Transport" }
>;

function connect(options: AppEngine["transportOptions"]): Connection {
  const place = { endpoint: server.url, projectName: "p", leaseMs: LEASE_MS };
  return new Connection({ transport: "appengine", transportOptions: { ...place, ...options } });
}

/** Puts a message and takes it again; a running server knows a new token within a second. */
async function putAndTake(connection: Connection, queue: string): Promise<Message> {
  const simpleQueue = connection.simpleQueue(queue);
  for (const startedMs = performance.now(); ; ) {
    try {
      await simpleQueue.put("hi");
      break;
    } catch (error) {
      if (performance.now() - startedMs > READY_MS) throw error;
    }
  }
  return simpleQueue.get({ timeoutMs: READY_MS });
}

/** Nothing runs in this thread meanwhile, nor between this and what its caller did before in the same turn. */
function block(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS);
}

describe("while the event loop is blocked", { timeout: 60_000 }, () => {
  test("the thread has the token that the event loop used last, not the first", async () => {
    const lasting = await newToken();
    const { token, end } = await endingToken();
    let current = token;
    await using connection = connect({ accessToken: () => current });
    await putAndTake(connection, "rotated").then((message) => message.ack());
    current = lasting;
    const message = await putAndTake(connection, "rotated");
    end();
    block();
    await message.ack();
    expect(message.signal.aborted).toBe(false);
  });

  test("a token that the event loop alone can replace ends the lease with itself", async () => {
    const lasting = await newToken();
    const { token, end } = await endingToken();
    let current = token;
    await using connection = connect({ accessToken: () => current });
    const message = await putAndTake(connection, "ended");
    const { signal } = message;
    current = lasting;
    end();
    block();
    const refused = await message.ack().catch((error: unknown) => error);
    expect(isLeaseLost(refused)).toBe(true);
    expect(isLeaseLost(signal.reason)).toBe(true);
  });

  test("the thread reads a credentials file again by itself when its token is not taken any more", async () => {
    const [path, next] = [folder.file("credentials.json"), folder.file("next.json")];
    writeFileSync(next, JSON.stringify({ access_token: await newToken() }), { mode: 0o600 });
    const { token, end } = await endingToken();
    writeFileSync(path, JSON.stringify({ access_token: token }), { mode: 0o600 });
    await using connection = connect({ credentialsFile: path });
    const message = await putAndTake(connection, "filed");
    renameSync(next, path); // The event loop has no time to read it.
    end();
    block();
    await message.ack();
    expect(message.signal.aborted).toBe(false);
  });
});
