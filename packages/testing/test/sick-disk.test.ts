import { readFileSync } from "node:fs";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { type ServerProcess, whenReady } from "../src/server-process.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

/** Disks that fail or are slow, as strace shows them to a real server: it answers 503 and when to come back, and does not grow. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));
const QUEUE_PATH = "/taskqueue/v1beta2/projects/sick/taskqueues/q";

/** Writes to files after which the disk is full, and how many fail until there is room again. */
const FULL = { after: 400, failing: 60 };

/** Most memory of a server in a flood, in MiB: six times what all bodies together may have, however many come (seen: 0.9 to 1.1 GiB). */
const PEAK_MIB = 1_536;

/** What one answer says. */
interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

/** Starts a server whose calls to the system are disturbed. */
async function onSickDisk(path: string, injection: readonly string[]): Promise<ServerProcess> {
  const strace = ["-f", "--seccomp-bpf", "-o", "/dev/null", ...injection];
  const serve = [COMMAND, "serve", "--port", "0", "--store", `sqlite:${path}`, "--log-level", "error"];
  const server = await whenReady(startChild("strace", [...strace, process.execPath, ...serve]));
  // strace does not end while its server lives.
  const [traced] = childrenOf(server.pid);
  const stop = () => {
    process.kill(traced!, "SIGTERM");
    return server.stop();
  };
  return { ...server, pid: traced!, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

function send(url: string, method: string, path: string, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body?.length ?? 0 };
    const sending = request(url + path, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers["retry-after"],
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sending.on("error", reject);
    sending.end(body);
  });
}

const taskOf = (bytes: number) =>
  Buffer.from(JSON.stringify({ queueName: "q", payloadBase64: Buffer.alloc(bytes, "x").toString("base64") }));

async function storedTasks(url: string): Promise<number> {
  const { text } = await send(url, "GET", `${QUEUE_PATH}?getStats=true`);
  return (JSON.parse(text) as { stats: { totalTasks: number } }).stats.totalTasks;
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}

/** Most memory that a process ever had, in MiB. */
function peakMib(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

describe.skipIf(isMissing("strace"))("a server", () => {
  test("on a full disk refuses writes with 503 and Retry-After, shows what it has, and goes on when there is room", async () => {
    using folder = temporaryFolder();
    const last = FULL.after + FULL.failing;
    const injection = [
      "-e",
      `inject=pwrite64:error=ENOSPC:when=${FULL.after}..${last}`,
      "-e",
      "trace=pwrite64",
    ];
    await using server = await onSickDisk(folder.file("queue.db"), injection);
    let [stored, refused, afterwards] = [0, 0, 0];
    for (let sent = 0; sent < 2_000 && afterwards < 20; sent++) {
      const answer = await send(server.url, "POST", `${QUEUE_PATH}/tasks`, taskOf(1_000));
      if (answer.status === 200) {
        stored += 1;
        if (refused > 0) afterwards += 1;
        continue;
      }
      refused += 1;
      expect(answer).toMatchObject({ status: 503, retryAfter: "1", text: expect.stringMatching(/disk/) });
      expect(await storedTasks(server.url)).toBe(stored);
    }
    expect({ refused: refused > 0, afterwards }).toEqual({ refused: true, afterwards: 20 });
    expect(await storedTasks(server.url)).toBe(stored);
  });

  test("on a slow disk stores what it answered, says 503 and Retry-After to the rest, and does not grow", async () => {
    using folder = temporaryFolder();
    const injection = ["-e", "inject=fdatasync:delay_exit=500000", "-e", "trace=fdatasync"];
    await using server = await onSickDisk(folder.file("queue.db"), injection);
    // Together more than what all bodies may have.
    const body = taskOf(900 * 1024);
    const answers = await Promise.all(
      Array.from({ length: 300 }, () =>
        send(server.url, "POST", `${QUEUE_PATH}/tasks`, body).catch(() => undefined),
      ),
    );
    const statuses = new Map<string, number>();
    for (const answer of answers) {
      const what = answer === undefined ? "none" : `${answer.status} ${answer.retryAfter ?? ""}`.trim();
      statuses.set(what, (statuses.get(what) ?? 0) + 1);
    }
    // How many are turned away depends on how fast they come.
    const { "200": stored = 0, "503 1": refused = 0 } = Object.fromEntries(statuses);
    expect(stored + refused, JSON.stringify([...statuses])).toBe(answers.length);
    expect(await storedTasks(server.url)).toBe(stored);
    expect(peakMib(server.pid)).toBeLessThan(PEAK_MIB);
  }, 120_000);
});
