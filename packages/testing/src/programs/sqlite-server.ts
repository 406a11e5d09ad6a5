/**
 * A server of the tests on an SQLite file whose database handle it opens itself, so that a test can make it careless:
 * Usage: sqlite-server PATH careful|careless. Careless means `synchronous=OFF`: SQLite leaves syncing to the system.
 * Prints the ready line of `pullqueue serve`, and ends with its standard input.
 */
import { openSqliteStore } from "@pullqueue/core";
import { loadConfig, startServer } from "@pullqueue/server";
import Database from "better-sqlite3";

const [path = "", manner = "careful"] = process.argv.slice(2);

async function main(): Promise<void> {
  const database = new Database(path);
  const store = await openSqliteStore({ database });
  if (manner === "careless") database.pragma("synchronous = OFF");
  const config = await loadConfig({ flags: { port: 0, logLevel: "warn" } });
  const server = await startServer(config, { store });
  process.stdin.on("end", () => void server.close()).resume();
  process.stdout.write(`pullqueue listening on ${server.url}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
