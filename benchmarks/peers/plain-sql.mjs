// A queue in plain SQL, the least that PostgreSQL can do for one: lease by SKIP LOCKED, acknowledge by DELETE, in batches as pg-boss.
import pg from "pg";
import { runContender } from "./contract.mjs";

const CREATE = `
  CREATE TABLE IF NOT EXISTS plain_queue (
    queue text NOT NULL, id bigserial PRIMARY KEY, eta bigint NOT NULL, retry_count int NOT NULL DEFAULT 0, payload text NOT NULL);
  CREATE INDEX IF NOT EXISTS plain_queue_eta ON plain_queue (queue, eta, id)`;
const INSERT = "INSERT INTO plain_queue (queue, eta, payload) SELECT $1, 0, p FROM unnest($2::text[]) p";
const LEASE = `
  UPDATE plain_queue SET eta = $3, retry_count = retry_count + 1 WHERE id IN (
    SELECT id FROM plain_queue WHERE queue = $1 AND eta <= $4 ORDER BY eta, id LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING id, payload`;
const DELETE = "DELETE FROM plain_queue WHERE id = ANY ($1::bigint[])";

/** Longer than any measurement, in milliseconds. */
const LEASE_MS = 600_000;

await runContender(async ({ url, queue, prefetch, inflight, concurrency }) => {
  const pool = new pg.Pool({ connectionString: url, max: Math.max(concurrency, Math.min(inflight, 16)) });
  await pool.query(CREATE);
  const run = async (name, text, values) => (await pool.query({ name, text, values })).rows;
  const insert = (messages) => run("insert", INSERT, [queue, messages.map((each) => JSON.stringify(each))]);
  return {
    prepare: () => pool.query("TRUNCATE plain_queue"),
    publish: (message) => insert([message]),
    publishMany: insert,
    async receive(onMessage, onSettled, count) {
      let left = count;
      const loop = async () => {
        while (left > 0) {
          const nowMs = Date.now();
          const rows = await run("lease", LEASE, [queue, prefetch, nowMs + LEASE_MS, nowMs]);
          if (rows.length === 0) return;
          left -= rows.length;
          for (const { payload } of rows) onMessage(JSON.parse(payload));
          await run("delete", DELETE, [rows.map(({ id }) => id)]);
          onSettled(rows.length);
        }
      };
      void Promise.all(Array.from({ length: concurrency }, loop));
    },
    close: () => pool.end(),
  };
});
