import { isMissing } from "@pullqueue/testing";
import { type PostgresInstance, startPostgresInstance } from "@pullqueue/testing/postgres-instance";
import { startTcpProxy } from "@pullqueue/testing/tcp-proxy";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../src/stores/postgres.js";
import { isRefusal, translatePostgresError } from "../../src/stores/postgres-errors.js";

const queue = { project: "p", queue: "q" };
const lease = { maxTasks: 10, leaseMs: 60_000 };
const payload = new TextEncoder().encode("hello");

/** PostgreSQL's message of an error, as PgBouncer sends it when the connection to its server breaks. */
const SERVER_CRASHED = Buffer.from("E\0\0\0\x30SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0", "latin1");

/** Tries until it succeeds: a store recovers by itself, in its own time. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      expect(["unavailable", "timeout"]).toContain((error as { code?: unknown }).code);
    }
  }
}

describe.skipIf(isMissing("postgres-programs"))("openPostgresStore() in trouble", () => {
  let database: PostgresInstance;

  beforeAll(async () => {
    database = await startPostgresInstance({
      settings: { max_connections: "12", superuser_reserved_connections: "2" },
    });
  }, 120_000);
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(() => database.start());

  const open = (url = database.url) => openPostgresStore({ url, connectionsMax: 5 });

  test("tells of its connections when they could not be had, too", async () => {
    const told: object[] = [];
    const observer = { onPool: (pool: object) => void told.push(pool) };
    await using store = await openPostgresStore({ url: database.url, observer });
    await database.stop();
    await expect(store.getQueue(queue)).rejects.toMatchObject({ code: "unavailable" });
    expect(told).toContainEqual({ total: 1, idle: 0, waiting: 0 });
    expect(told.at(-1)).toEqual({ total: 0, idle: 0, waiting: 0 });
  }, 60_000);

  test("is unavailable while the database is away, keeps what it stored, and goes on by itself", async () => {
    await using store = await open();
    await store.deleteQueue(queue).catch(() => {});
    const [stored] = await store.insert(queue, [{ payload, id: "kept" }]);
    expect(stored).toMatchObject({ ok: true });
    await database.stop();
    const calls = [
      store.insert(queue, [{ payload }]),
      store.lease([queue], lease),
      store.extend(queue, [{ id: "kept", leaseMs: 0 }]),
      store.delete(queue, [{ id: "kept" }]),
      store.peek(queue, { limit: 1 }),
      store.getQueue(queue, { stats: true }),
      store.lease([queue], { ...lease, waitMs: 50_000 }),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({
        reason: { code: "unavailable", retryAfterMs: 1000, message: expect.stringMatching(/database/) },
      });
    }
    await database.start();
    expect(await eventually(() => store.lease([queue], lease))).toMatchObject([{ id: "kept" }]);
  }, 60_000);

  test("goes on after kill -9 with all that was answered, and nothing twice", async () => {
    await using store = await open();
    await store.deleteQueue(queue).catch(() => {});
    const answered: string[] = [];
    const inserting = Array.from({ length: 20 }, async (_, n) => {
      for (let turn = 0; turn < 20; turn++) {
        // A repeated insert has the same key, so one whose answer was lost is not doubled.
        const task = { payload, id: `task-${n}-${turn}`, idempotencyKey: `key-${n}-${turn}` };
        const [result] = await eventually(() => store.insert(queue, [task]));
        if (result?.ok === true) answered.push(result.value.id);
      }
    });
    await database.kill9();
    await database.start();
    await Promise.all(inserting);
    expect(answered).toHaveLength(400);
    const taken = await eventually(() => store.lease([queue], { maxTasks: 1000, leaseMs: 60_000 }));
    expect(taken.map(({ id }) => id).sort()).toEqual(answered.sort());
    expect((await store.getQueue(queue, { stats: true })).stats).toMatchObject({ totalTasks: 400 });
  }, 60_000);

  test("a commit whose answer is lost is unclear, and not undone", async () => {
    const commits = { pass: true };
    await using proxy = await startTcpProxy(database.port, {
      onClientData: (data) => {
        if (commits.pass || !/COMMIT\b/.test(data.toString("latin1"))) return;
        commits.pass = true;
        proxy.freeze(); // The commit itself passes; its answer does not.
        setTimeout(() => proxy.cut(), 200);
      },
    });
    const url = new URL(database.url);
    url.port = String(proxy.port);
    await using store = await open(url.href);
    await store.deleteQueue(queue).catch(() => {});
    await store.insert(queue, [{ payload, id: "first" }]);
    const unclear = { code: "timeout", message: expect.stringContaining("unclear") };
    commits.pass = false;
    await expect(store.insert(queue, [{ payload, id: "second" }])).rejects.toMatchObject(unclear);
    const [again] = await store.insert(queue, [{ payload, id: "second" }]);
    expect(again).toMatchObject({ ok: false, error: { code: "already_exists" } });
    commits.pass = false;
    await expect(store.delete(queue, [{ id: "first" }])).rejects.toMatchObject(unclear);
    expect(await store.delete(queue, [{ id: "first" }])).toMatchObject([{ error: { code: "not_found" } }]);
  }, 60_000);

  test("a commit whose answer a pooler lost is unclear, and not done twice", async () => {
    const commit = { isAwaited: false };
    let end: ((lastWords: Uint8Array) => void) | undefined;
    await using proxy = await startTcpProxy(database.port, {
      onClientData: (data) => {
        if (!commit.isAwaited) return;
        const text = data.toString("latin1");
        // All that is sent with the commit arrives; what is answered to it does not.
        if (text.includes("addCounts")) end = proxy.withhold();
        if (!/COMMIT\b/.test(text)) return;
        commit.isAwaited = false;
        setTimeout(() => end!(SERVER_CRASHED), 200);
      },
    });
    const url = new URL(database.url);
    url.port = String(proxy.port);
    await using store = await open(url.href);
    await store.deleteQueue(queue).catch(() => {});
    await store.insert(queue, [{ payload }]);
    commit.isAwaited = true;
    const unclear = { code: "timeout", message: expect.stringContaining("unclear") };
    await expect(store.insert(queue, [{ payload }])).rejects.toMatchObject(unclear);
    expect((await store.peek(queue, { limit: 10 })).tasks).toHaveLength(2);
  }, 60_000);

  test.each(["sends together what it can", "waits for each answer"] as const)(
    "a statement that fails beside the commit takes everything with it where the pool %s",
    async (manner) => {
      const pipeline = manner === "sends together what it can";
      const pool = pipelining({ pipeline });
      try {
        await using store = await openPostgresStore({ pool, connectionsMax: 5 });
        await store.deleteQueue(queue).catch(() => {});
        await store.insert(queue, [{ payload, id: "first" }]);
        await database.query(
          "ALTER TABLE pullqueue.counters ADD CONSTRAINT few CHECK (total_tasks < 3) NOT VALID",
        );
        const tasks = ["second", "third", "fourth"].map((id) => ({ payload, id, idempotencyKey: id }));
        await expect(store.insert(queue, tasks)).rejects.toMatchObject({ code: "internal" });
        expect(await store.lease([queue], lease)).toMatchObject([{ id: "first" }]);
        await database.query("ALTER TABLE pullqueue.counters DROP CONSTRAINT few");
        const [again] = await store.insert(queue, [{ payload, id: "second", idempotencyKey: "second" }]);
        expect(again).toMatchObject({ ok: true });
      } finally {
        await pool.end();
      }
    },
    60_000,
  );

  test("what tells of new tasks may fail, alone or with the commit, and costs no connection", async () => {
    const pool = pipelining();
    try {
      await using store = await openPostgresStore({ pool, connectionsMax: 5 });
      await store.deleteQueue(queue).catch(() => {});
      await store.insert(queue, [{ payload }]);
      let closed = 0;
      pool.on("remove", () => void closed++);
      await database.query("ALTER TABLE pullqueue.waiters RENAME TO elsewhere");
      for (let n = 0; n < 5; n++) await store.insert(queue, [{ payload }]);
      await database.query(
        "ALTER TABLE pullqueue.counters ADD CONSTRAINT few CHECK (total_tasks < 1) NOT VALID",
      );
      for (let n = 0; n < 5; n++) {
        await expect(store.insert(queue, [{ payload }])).rejects.toMatchObject({ code: "internal" });
      }
      expect(closed).toBe(0);
    } finally {
      await database.query("ALTER TABLE pullqueue.counters DROP CONSTRAINT IF EXISTS few");
      await database.query("ALTER TABLE IF EXISTS pullqueue.elsewhere RENAME TO waiters");
      await pool.end();
    }
  }, 60_000);

  test("statements that are sent together have time for those before them", async () => {
    const pool = pipelining({ query_timeout: 1500 });
    try {
      await using store = await openPostgresStore({ pool, connectionsMax: 5 });
      await store.deleteQueue(queue).catch(() => {});
      await store.insert(queue, [{ payload }]);
      await database.query(`CREATE FUNCTION pullqueue.nap() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END'`);
      const nap = "ON pullqueue.counters";
      const each = "FOR EACH ROW EXECUTE FUNCTION pullqueue.nap()";
      await database.query(`CREATE TRIGGER nap AFTER INSERT OR UPDATE ${nap} ${each}`);
      await database.query(
        `CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ${nap} DEFERRABLE INITIALLY DEFERRED ${each}`,
      );
      expect(await store.insert(queue, [{ payload }])).toMatchObject([{ ok: true }]);
    } finally {
      await database.query("DROP FUNCTION IF EXISTS pullqueue.nap CASCADE");
      await pool.end();
    }
  }, 60_000);

  test("a connection that is ended before its commit leaves nothing unclear", async () => {
    await using store = await open();
    await store.deleteQueue(queue).catch(() => {});
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    try {
      await holder.query("BEGIN; LOCK TABLE pullqueue.counters IN EXCLUSIVE MODE");
      const inserting = store.insert(queue, [{ payload, id: "once" }]);
      const waits = "wait_event_type = 'Lock' AND query LIKE 'INSERT INTO counters%'";
      await until(async () => (await count(`SELECT count(*) FROM pg_stat_activity WHERE ${waits}`)) > 0);
      await end(waits);
      await holder.query("ROLLBACK");
      expect(await inserting).toMatchObject([{ ok: true, value: { id: "once" } }]);
    } finally {
      await holder.end();
    }
  }, 60_000);

  test("survives the end of all its connections, those that do nothing and the one that listens too", async () => {
    await using store = await open();
    await using other = await open();
    await store.deleteQueue(queue).catch(() => {});
    const waiting = store.lease([queue], { ...lease, waitMs: 50_000 });
    await until(async () => (await count("SELECT count(*) FROM pullqueue.waiters")) > 0);
    await end("true");
    const [inserted] = await eventually(() => other.insert(queue, [{ payload, id: "after" }]));
    expect(inserted).toMatchObject({ ok: true });
    // Told by the new connection, or found by the look that is made each second.
    expect(await eventually(() => waiting)).toMatchObject([{ id: "after" }]);
  }, 60_000);

  test("a lease that waits is told of another process's task within the second when nothing listens", async () => {
    await using store = await open();
    await using other = await open();
    await store.deleteQueue(queue).catch(() => {});
    const waiting = store.lease([queue], { ...lease, waitMs: 50_000 });
    await until(async () => (await count("SELECT count(*) FROM pullqueue.waiters")) > 0);
    await end("query LIKE 'LISTEN%'");
    await other.insert(queue, [{ payload, id: "found" }]);
    expect(await waiting).toMatchObject([{ id: "found" }]);
  }, 60_000);

  test("is unavailable when the database has no connection left, without hanging, and recovers", async () => {
    await using store = await open();
    await store.insert(queue, [{ payload }]);
    await end("true");
    const hogs = await Promise.allSettled(Array.from({ length: 10 }, () => open()));
    for (const hog of hogs) {
      if (hog.status === "fulfilled") await hog.value.close();
      else {
        expect(hog.reason).toMatchObject({
          code: "unavailable",
          message: expect.stringMatching(/max_connections|does not answer/),
        });
      }
    }
    expect(await eventually(() => store.lease([queue], lease))).not.toEqual([]);
  }, 60_000);

  test("never shows the password, and says what to look at", async () => {
    const url = new URL(database.url);
    url.password = "s3cret";
    for (const [name, value, code] of [
      ["port", "1", "unavailable"],
      // Trying again would not make it, so that nobody waits for it.
      ["pathname", "/nowhere", "invalid_argument"],
      ["protocol", "postgresql:", "unavailable"],
    ] as const) {
      const wrong = new URL(url);
      wrong[name] = value;
      if (name === "protocol") wrong.hostname = "no-such-host.invalid";
      const error: unknown = await open(wrong.href).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(String((error as Error).message)).not.toContain("s3cret");
      expect((error as Error).message).toMatch(/check|create/);
    }
  }, 60_000);

  test("tells its owner of a database that does not write to its disk", async () => {
    const warnings: string[] = [];
    const observer = { onWarning: (warning: string) => void warnings.push(warning) };
    await (await openPostgresStore({ url: database.url, observer })).close();
    expect(warnings).toEqual([]);
    await database.query("ALTER SYSTEM SET fsync = off");
    await database.query("SELECT pg_reload_conf()");
    await until(
      async () =>
        (await count("SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'off'")) > 0,
    );
    await (await openPostgresStore({ url: database.url, observer })).close();
    expect(warnings).toEqual([expect.stringContaining("the database has fsync = off")]);
    await database.query("ALTER SYSTEM RESET fsync");
    await database.query("SELECT pg_reload_conf()");
  }, 60_000);

  test("fails to open, and the process lives, when the database is killed while it waits to make the schema", async () => {
    const holder = new pg.Client({ connectionString: database.url });
    holder.on("error", () => {});
    await holder.connect();
    try {
      await holder.query("SELECT pg_advisory_lock(hashtextextended('pullqueue schema held', 0))");
      const opening = openPostgresStore({ url: database.url, schema: "held" });
      const failed = expect(opening).rejects.toMatchObject({ code: "unavailable" });
      await until(
        async () => (await count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")) > 0,
      );
      await database.kill9();
      await failed;
    } finally {
      await holder.end();
    }
  }, 60_000);

  function pipelining(options: object = {}): pg.Pool {
    return new pg.Pool({
      connectionString: database.url,
      max: 6,
      pipeline: true,
      ...options,
    } as pg.PoolConfig);
  }

  async function end(condition: string): Promise<void> {
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'pullqueue' AND pid <> pg_backend_pid() AND ${condition}`,
    );
  }

  async function count(text: string): Promise<number> {
    return Number(Object.values((await database.query(text))[0]!)[0]);
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise(setImmediate);
  }
});

test.each([
  ["23514", true],
  ["57P01", true],
  ["XX000", true],
  ["08P01", false],
  ["08006", false],
  ["EPIPE", false],
  ["EPERM", false],
  ["ECONNRESET", false],
  [undefined, false],
])("isRefusal() takes %s for the database's own word: %s", (code, expected) => {
  expect(isRefusal(Object.assign(new Error("refused"), { code }))).toBe(expected);
});

describe("translatePostgresError()", () => {
  test.each([
    ["25006", /takes no writes/],
    ["28P01", /refused the password/],
    ["53100", /disk .* is full/],
    ["53300", /as many connections as it may/],
    ["55P03", /keeps rows .* locked/],
    ["57014", /too long to answer/],
    ["57P03", /starting up, shutting down or in recovery/],
    ["ECONNREFUSED", /does not answer: nothing listens .* host and port/],
    ["ENOTFOUND", /does not answer: the host .* is not known/],
    ["ECONNRESET", /does not answer/],
  ])("says what %s means, when to try again, and nothing of what the client said", (code, sentence) => {
    const error = translatePostgresError(Object.assign(new Error("host=secret INSERT INTO tasks"), { code }));
    expect(error).toMatchObject({
      code: "unavailable",
      retryAfterMs: 1000,
      message: expect.stringMatching(sentence),
    });
    expect(error.message).not.toMatch(/secret|INSERT/);
  });

  test("keeps a defect a defect", () => {
    const error = translatePostgresError(Object.assign(new Error("column x is missing"), { code: "42703" }));
    expect(error).toMatchObject({ code: "internal", message: "an unexpected error occurred" });
  });
});
