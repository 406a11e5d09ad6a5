import { createLog, loadConfig, startServer } from "@pullqueue/server";
import { describe, expect, test } from "vitest";
import { temporarySchema } from "../src/postgres-schema.js";
import { isMissing } from "../src/services.js";

/** Series of a page by their text before the value. */
async function scrape(url: string): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return new Map([...page.matchAll(/^([^#].*) (\S+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
}

describe.skipIf(isMissing("postgres"))("/metrics of a server on PostgreSQL", () => {
  test("/metrics shows what is in the queues, the commits, and the connections to the database", async () => {
    await using schema = temporarySchema();
    await using server = await startServer(await loadConfig({ flags: { port: 0, store: schema.url } }), {
      log: createLog({ level: "silent", format: "json" }),
    });
    const call = async (path: string, body?: string) => {
      const address = `${server.url}/taskqueue/v1beta2/projects/p/taskqueues/q/tasks${path}`;
      const answer = await fetch(address, { method: "POST", ...(body === undefined ? {} : { body }) });
      expect(answer.status).toBe(200);
    };
    await call(":batchInsert", JSON.stringify({ items: Array(5).fill({ payloadBase64: "eHl6" }) }));
    await call("", '{"payloadBase64": "", "delayMs": "600000"}');
    await call("/lease?numTasks=2&leaseSecs=600");
    const queue = 'project="p",queue="q"';
    // A scrape waits a second for the counts, which a busy database may need longer for.
    await expect
      .poll(async () => (await scrape(server.url)).get(`pullqueue_queue_payload_bytes{${queue}}`), {
        timeout: 15_000,
      })
      .toBe(15);
    const series = await scrape(server.url);
    const states = ["available", "leased", "delayed"].map((state) =>
      series.get(`pullqueue_queue_tasks{${queue},state="${state}"}`),
    );
    expect(states).toEqual([3, 2, 1]);
    expect(series.get(`pullqueue_queue_oldest_task_age_seconds{${queue}}`)).toBeGreaterThan(0);
    expect(series.get(`pullqueue_tasks_leased_total{${queue}}`)).toBe(2);
    const commits = series.get("pullqueue_commit_duration_seconds_count")!;
    expect(commits).toBeGreaterThanOrEqual(3);
    expect(series.get("pullqueue_commit_calls_count")).toBe(commits);
    expect(series.get("pullqueue_commit_calls_sum")).toBeGreaterThanOrEqual(3);
    const connections = (state: string) => series.get(`pullqueue_database_connections{state="${state}"}`)!;
    expect(connections("idle") + connections("busy")).toBeGreaterThanOrEqual(1);
    expect(series.get("pullqueue_database_connection_waiters")).toBe(0);
  });
});
