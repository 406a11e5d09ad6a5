import { chmodSync, readdirSync } from "node:fs";
import pg from "pg";
import { describe, expect, test, vi } from "vitest";
import { startPostgresInstance } from "../src/postgres-instance.js";
import { prng } from "../src/prng.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

describe.skipIf(isMissing("postgres-programs"))("startPostgresInstance()", { timeout: 120_000 }, () => {
  test("an instance keeps what was committed over each way of ending it", async () => {
    await using postgres = await startPostgresInstance({ settings: { max_connections: "17" } });
    expect(await postgres.query("SHOW max_connections")).toEqual([{ max_connections: "17" }]);
    await postgres.query("CREATE TABLE kept (n int)");
    const ends = [() => postgres.stop(), () => postgres.stop("immediate"), () => postgres.kill9()];
    for (const [n, end] of ends.entries()) {
      await postgres.query("INSERT INTO kept VALUES ($1)", [n]);
      await end();
      await expect(postgres.query("SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
      await postgres.start();
    }
    expect(await postgres.query("SELECT n FROM kept ORDER BY n")).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  test("a standby takes no writes until it is promoted", async () => {
    await using postgres = await startPostgresInstance();
    await postgres.stop();
    await postgres.start("standby");
    const write = () => postgres.query("CREATE TABLE written (n int)");
    await expect(write()).rejects.toMatchObject({ code: "25006" });
    await postgres.query("SELECT pg_promote()");
    expect(await write()).toEqual([]);
  });

  test("terminateSessions() ends others' sessions", async () => {
    await using postgres = await startPostgresInstance();
    const client = new pg.Client({ connectionString: postgres.url });
    const errors: unknown[] = [];
    const ended = new Promise((resolve) => client.once("end", resolve));
    client.on("error", (error) => errors.push(error));
    await client.connect();
    expect(await postgres.terminateSessions(0, prng(1))).toBe(0);
    expect(await postgres.terminateSessions(100, prng(1))).toBe(1);
    await ended;
    expect(errors[0]).toMatchObject({ code: "57P01" });
  });

  test("an instance that cannot start says why and leaves nothing behind", async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o755);
    vi.stubEnv("TMPDIR", folder.path);
    const starting = startPostgresInstance({ settings: { shared_buffers: "much" } });
    await expect(starting).rejects.toThrow(/invalid value for parameter "shared_buffers"/);
    expect(readdirSync(folder.path)).toEqual([]);
    vi.unstubAllEnvs();
  });
});
