import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { restClient } from "../src/rest-client.js";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

test("a server stopped while another process locks its file answers what waits, and exits well", async () => {
  using folder = temporaryFolder();
  await using server = await startServerProcess({ store: `sqlite:${folder.file("tasks.db")}` });
  const client = restClient(server.url, "p", "q");
  const insert = (id: string) => client.call("tasks.insert", { body: { id, payloadBase64: "eA==" } });
  expect((await insert("first")).status).toBe(200);
  const other = new Database(folder.file("tasks.db"));
  try {
    other.exec("BEGIN EXCLUSIVE");
    const waiting = insert("second");
    // Reads go on meanwhile, and this one was sent after the insert.
    expect((await client.call("tasks.list")).status).toBe(200);
    const exited = server.stop();
    expect(await waiting).toMatchObject({ status: 503, json: { error: { code: 503 } } });
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(other.prepare("SELECT id FROM tasks").all()).toEqual([{ id: "first" }]);
  } finally {
    other.close();
  }
}, 30_000);
