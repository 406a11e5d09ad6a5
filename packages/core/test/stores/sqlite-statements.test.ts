import Database from "better-sqlite3";
import { afterAll, describe, expect, test } from "vitest";
import { SCHEMA_STEPS } from "../../src/stores/sqlite-schema.js";
import { STATEMENT_TEXTS } from "../../src/stores/sqlite-statements.js";

const database = new Database(":memory:");
for (const step of SCHEMA_STEPS) database.exec(step);
afterAll(() => database.close());

function planOf(text: string): string[] {
  const parameters = Array.from(text.matchAll(/\?/g), () => 1);
  const rows = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...parameters) as { detail: string }[];
  return rows.map(({ detail }) => detail);
}

describe("STATEMENT_TEXTS", () => {
  test.each(Object.entries(STATEMENT_TEXTS))("%s neither scans nor sorts", (_, text) => {
    for (const detail of planOf(text)) expect(detail).not.toMatch(/SCAN|TEMP B-TREE/);
  });

  test.each([
    ["available", "tasks_by_eta (queue_id=? AND (eta_us,id)>(?,?) AND eta_us<?)"],
    ["availableOfTag", "tasks_by_tag (queue_id=? AND tag=? AND (eta_us,id)>(?,?) AND eta_us<?)"],
    ["extendLease", "tasks_by_id (queue_id=? AND id=?)"],
    ["deleteLease", "tasks_by_id (queue_id=? AND id=?)"],
    ["deleteTask", "tasks_by_id (queue_id=? AND id=?)"],
    ["findTask", "tasks_by_id (queue_id=? AND id=?)"],
    ["nextEta", "tasks_by_eta (queue_id=? AND eta_us>?)"],
    ["listTasks", "tasks_by_eta (queue_id=? AND (eta_us,id)>(?,?))"],
    ["expired", "tasks_by_expiry (expires_at_us>? AND expires_at_us<?)"],
    ["untaggedAfter", "COVERING INDEX tasks_by_tag (queue_id=? AND tag=? AND (eta_us,id)>(?,?))"],
    ["taggedAfter", "COVERING INDEX tasks_by_tag (queue_id=? AND (tag,eta_us,id)>(?,?,?))"],
    ["moveTask", "INTEGER PRIMARY KEY (rowid=?)"],
    ["forgetTombstones", "tombstones_by_end (until_us<?)"],
    ["forgetKeys", "PRIMARY KEY (generation<?)"],
  ] as const)("%s uses the whole of its index", (name, index) => {
    expect(planOf(STATEMENT_TEXTS[name]).join("\n")).toContain(index);
  });
});
