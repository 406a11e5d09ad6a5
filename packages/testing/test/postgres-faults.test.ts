import { buildPath, encodePayload, openHttpStore, ROUTES, type RouteName } from "@pullqueue/core";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startBalancer } from "../src/cluster/balancer.js";
import { type PostgresInstance, startPostgresInstance } from "../src/postgres-instance.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { isMissing } from "../src/services.js";

/** What a server on PostgreSQL does while its database is away, in all the ways in which one can be. */

const QUEUE = { project: "faults", queue: "queue" };

const PAYLOAD = encodePayload(Buffer.from("x"));

/** A task that is never there: whether it is, only the database knows. */
const TASK = { id: "none", queueName: "projects/s~faults/taskqueues/queue", leaseTimestamp: "1" };

/** One call of each method that needs the database. */
const CALLS: Readonly<Partial<Record<RouteName, { readonly query?: string; readonly body?: unknown }>>> = {
  "taskqueues.get": {},
  "taskqueues.list": {},
  "taskqueues.lease": { query: "?taskqueue=queue&numTasks=1&leaseSecs=1" },
  "taskqueues.purge": {},
  "taskqueues.pause": {},
  "tasks.list": {},
  "tasks.get": {},
  "tasks.insert": { body: { payloadBase64: PAYLOAD } },
  "tasks.lease": { query: "?numTasks=1&leaseSecs=1" },
  "tasks.update": { query: "?newLeaseSeconds=1", body: TASK },
  "tasks.delete": {},
  "tasks.batchInsert": { body: { items: [{ payloadBase64: PAYLOAD }] } },
  "tasks.batchUpdate": { body: { items: [{ ...TASK, newLeaseSeconds: 1 }] } },
  "tasks.batchDelete": { body: { items: [{ id: "none" }] } },
};

/** How long any of them may take, in milliseconds: as long as our client waits for an answer. */
const ANSWER_MS = 10_000;

function send(url: string, name: RouteName): Promise<Response> {
  const { query = "", body } = CALLS[name] ?? {};
  const path = buildPath(name, { project: "faults", taskqueue: "queue", task: "none" });
  return fetch(`${url}${path}${query}`, {
    method: ROUTES[name].method,
    signal: AbortSignal.timeout(ANSWER_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

const statusOf = async (url: string, path: string) => (await fetch(`${url}${path}`)).status;

/** Every call says in time that trying again later may help; the process itself works. */
async function expectUnavailable(url: string): Promise<void> {
  const names = Object.keys(CALLS) as RouteName[];
  const answers = await Promise.all(
    names.map(async (name) => {
      const answer = await send(url, name);
      return {
        name,
        status: answer.status,
        retry: answer.headers.get("retry-after"),
        says: await answer.text(),
      };
    }),
  );
  const says = expect.stringMatching(/database/);
  expect(answers).toEqual(names.map((name) => ({ name, status: 503, retry: "1", says })));
  expect(await statusOf(url, "/readyz")).toBe(503);
  expect(await statusOf(url, "/healthz")).toBe(200);
}

/** Inserts with the client that repeats by itself, which is how one waits for a server to be well again. */
async function expectRecovery(url: string): Promise<void> {
  await using store = openHttpStore({ endpoint: url, deadlineMs: 30_000 });
  const [result] = await store.insert(QUEUE, [{ payload: Buffer.from("after") }]);
  expect(result).toMatchObject({ ok: true });
  expect(await statusOf(url, "/readyz")).toBe(200);
}

const hasPrograms = !isMissing("postgres-programs");

describe.skipIf(!hasPrograms)("a server whose PostgreSQL is away", { timeout: 120_000 }, () => {
  let postgres: PostgresInstance;
  const servers: ServerProcess[] = [];

  beforeAll(async () => {
    // Ten for the store, one that listens, and one for us; the last three are for superusers, as always.
    postgres = await startPostgresInstance({ settings: { max_connections: "16" } });
  }, 60_000);

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    await postgres.start();
    await postgres.query("SELECT pg_promote() WHERE pg_is_in_recovery()");
  });

  afterAll(() => postgres?.[Symbol.asyncDispose]());

  /** A server with a queue that has been used. */
  async function start(url = postgres.url): Promise<ServerProcess> {
    const server = await startServerProcess({ store: url, parameters: ["--log-level", "warn"] });
    servers.push(server);
    expect((await send(server.url, "tasks.insert")).status).toBe(200);
    return server;
  }

  test("a stopped database is 503 for everybody, and works again when it is back", async () => {
    const server = await start();
    await postgres.stop();
    await expectUnavailable(server.url);
    await postgres.start();
    await expectRecovery(server.url);
  });

  test("a client that waits for a task goes on waiting over a restart of the database", async () => {
    const server = await start();
    await using store = openHttpStore({ endpoint: server.url });
    const request = { maxTasks: 1, leaseMs: 60_000 };
    expect(await store.lease([QUEUE], request)).toHaveLength(1);
    const waiting = store.lease([QUEUE], { ...request, waitMs: 50_000 });
    await postgres.stop("immediate");
    await expectUnavailable(server.url);
    await postgres.start();
    await expectRecovery(server.url);
    expect((await waiting).map(({ payload }) => Buffer.from(payload).toString())).toEqual(["after"]);
  });

  test("a network that swallows everything is 503 in time", async () => {
    await using balancer = await startBalancer(() => [postgres.port]);
    const server = await start(postgres.url.replace(String(postgres.port), String(balancer.port)));
    balancer.silence();
    await expectUnavailable(server.url);
    balancer.heal();
    await expectRecovery(server.url);
    await server.stop();
  });

  test("a database that takes no writes is 503 for those who write, and serves those who look", async () => {
    const server = await start();
    await postgres.stop();
    await postgres.start("standby");
    expect((await send(server.url, "tasks.insert")).status).toBe(503);
    expect((await send(server.url, "tasks.lease")).status).toBe(503);
    expect((await send(server.url, "tasks.list")).status).toBe(200);
    await postgres.query("SELECT pg_promote()");
    await expectRecovery(server.url);
  });

  test("a table that somebody else has locked is 503 in time", async () => {
    const server = await start();
    const other = new pg.Client({ connectionString: postgres.url });
    await other.connect();
    await other.query("BEGIN; LOCK TABLE pullqueue.tasks");
    await expectUnavailableForTasks(server.url);
    await other.end();
    await expectRecovery(server.url);
  });

  test("a database with no connection to spare is 503 in time", async () => {
    const server = await start();
    const others: pg.Client[] = [];
    onTestFinished(async () => void (await Promise.all(others.map((other) => other.end()))));
    await postgres.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pullqueue'",
    );
    for (;;) {
      const other = new pg.Client({ connectionString: postgres.url });
      other.on("error", () => {});
      try {
        await other.connect();
      } catch {
        break;
      }
      others.push(other);
    }
    expect(others.length).toBeGreaterThan(5);
    expect((await send(server.url, "tasks.insert")).status).toBe(503);
    await Promise.all(others.splice(0).map((other) => other.end()));
    await expectRecovery(server.url);
  });

  /** Those that look at tasks; nobody has locked what says which queues there are. */
  async function expectUnavailableForTasks(url: string): Promise<void> {
    const names = ["tasks.insert", "tasks.lease", "tasks.list", "tasks.batchDelete"] as const;
    const statuses = await Promise.all(names.map(async (name) => (await send(url, name)).status));
    expect(statuses).toEqual(names.map(() => 503));
  }
});
