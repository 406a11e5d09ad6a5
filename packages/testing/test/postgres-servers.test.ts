import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { encodePayload } from "@pullqueue/core";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startChild } from "../src/child.js";
import { type Balancer, startBalancer } from "../src/cluster/balancer.js";
import { ServerGroup } from "../src/cluster/server-group.js";
import { type PostgresInstance, startPostgresInstance } from "../src/postgres-instance.js";
import { type RestClient, restClient, tasksOf } from "../src/rest-client.js";
import { READY_MS } from "../src/server-process.js";
import { isMissing } from "../src/services.js";

/** Servers as processes on one PostgreSQL: how they start, and what is left of those that are killed. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

/** How soon somebody who waits must be woken by another process, in milliseconds: machines are busy. */
const WOKEN_MS = 10_000;

const insert = async (rest: RestClient) => {
  const { status } = await rest.call("tasks.insert", {
    body: { payloadBase64: encodePayload(Buffer.from("x")) },
  });
  expect(status).toBe(200);
};

describe.skipIf(isMissing("postgres-programs"))("servers on one PostgreSQL", { timeout: 120_000 }, () => {
  let postgres: PostgresInstance;

  beforeAll(async () => {
    postgres = await startPostgresInstance();
  }, 60_000);

  afterAll(() => postgres?.[Symbol.asyncDispose]());

  /** A schema of one test's own. */
  const urlOf = (schema: string) => `${postgres.url}?schema=${schema}`;

  test("ten servers start at once on an empty database", async () => {
    await using group = await ServerGroup.start(urlOf("ten"), 10);
    const servers = Array.from({ length: group.size }, (_, index) => group.server(index));
    const rests = servers.map(({ url }) => restClient(url, "p", "q"));
    await Promise.all(rests.map(insert));
    const lease = await rests[0]!.call("tasks.lease", { query: { numTasks: 100, leaseSecs: 60 } });
    expect(tasksOf(lease)).toHaveLength(10);
    const steps = await postgres.query("SELECT step, count(*)::int FROM ten.schema_steps GROUP BY step");
    expect(new Set(steps.map(({ count }) => count))).toEqual(new Set([1]));
  });

  /** A way to the database that is not open yet, and a promise that somebody has tried it. */
  async function closedWay(): Promise<{
    readonly balancer: Balancer;
    readonly tried: Promise<void>;
    open(): void;
  }> {
    let ports: readonly number[] = [];
    let trying = () => {};
    const tried = new Promise<void>((resolve) => {
      trying = resolve;
    });
    const balancer = await startBalancer(() => {
      trying();
      return ports;
    });
    onTestFinished(() => balancer[Symbol.asyncDispose]());
    const open = () => {
      ports = [postgres.port];
    };
    return { balancer, tried, open };
  }

  function startServe(url: string) {
    const child = startChild(process.execPath, [COMMAND, "serve", "--port", "0", "--store", url]);
    onTestFinished(async () => void (await child.stop()));
    return child;
  }

  test("a server that starts before its database waits for it, and says so", async () => {
    const { balancer, tried, open } = await closedWay();
    const child = startServe(`postgres://postgres@127.0.0.1:${balancer.port}/postgres?schema=early`);
    await tried;
    open();
    await child.line(/^pullqueue listening on/, READY_MS);
    expect(child.stderr()).toMatch(/waiting for the store: the database/);
  });

  test("SIGTERM ends a server that waits for its database", async () => {
    const { balancer, tried } = await closedWay();
    const child = startServe(`postgres://postgres@127.0.0.1:${balancer.port}/postgres`);
    await tried;
    child.signal("SIGTERM");
    expect(await child.exited(READY_MS), child.stderr()).toEqual({ code: 143, signal: null });
  });

  test("a server whose database does not exist ends at once, and says so", async () => {
    const child = startServe(postgres.url.replace(/postgres$/, "nowhere"));
    expect(await child.exited(READY_MS)).toMatchObject({ signal: null });
    expect(child.stderr()).toMatch(/the database does not exist/);
    expect(child.stderr()).not.toMatch(/waiting for the store/);
  });

  test("a lease that waits in one server is woken by another, and one that was killed is told of nothing", async () => {
    await using group = await ServerGroup.start(urlOf("woken"), 2);
    const [first, second] = [group.server(0), group.server(1)].map(({ url }) => restClient(url, "p", "q"));
    const listener = new pg.Client({ connectionString: postgres.url });
    onTestFinished(() => listener.end());
    await listener.connect();
    await listener.query("LISTEN woken");

    const waiting = first!.call("tasks.lease", { query: { numTasks: 1, leaseSecs: 60, waitMs: 50_000 } });
    await untilWaiting(postgres, "woken");
    const notified = once(listener, "notification", { signal: AbortSignal.timeout(WOKEN_MS) });
    await insert(second!);
    expect(await notified).toMatchObject([{ payload: "p/q" }]);
    expect(tasksOf(await waiting)).toHaveLength(1);

    const cutOff = first!.call("tasks.lease", { query: { numTasks: 1, leaseSecs: 60, waitMs: 50_000 } });
    const broken = expect(cutOff).rejects.toThrow(/no answer/);
    await untilWaiting(postgres, "woken");
    await group.kill9(0);
    await broken;
    // Time passes for everybody: the database's clock is the only one that counts.
    await postgres.query(`CREATE OR REPLACE FUNCTION woken.now_us() RETURNS bigint LANGUAGE sql VOLATILE
      AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000'`);
    const next = once(listener, "notification", { signal: AbortSignal.timeout(WOKEN_MS) });
    await insert(second!);
    // A server that stops has told whoever is to be told.
    await group.server(1).stop();
    await postgres.query("NOTIFY woken, 'nobody else'");
    expect(await next).toMatchObject([{ payload: "nobody else" }]);
  });
});

/** Another process gives no signal when its lease waits; that it is in the table of waiters is all there is to see. */
async function untilWaiting(postgres: PostgresInstance, schema: string): Promise<void> {
  for (;;) {
    const rows = await postgres.query(
      `SELECT process FROM ${schema}.waiters WHERE queue = 'q' AND until_us > ${schema}.now_us()`,
    );
    if (rows.length > 0) return;
  }
}
