/**
 * A server of the soak on an SQLite file, whose store lives FACTOR times as fast as the world, so that what is remembered
 * for minutes and hours is also forgotten while the soak runs. Usage: soak-server PATH FACTOR
 * Prints the ready line of `pullqueue serve`, and ends with its standard input.
 */
import { openSqliteStore } from "@pullqueue/core";
import { loadConfig, startServer } from "@pullqueue/server";
import { fastClock } from "../soak/fast-clock.js";

/** How often the store is swept, in milliseconds of ours: every five minutes of its own. */
const SWEEP_MS = 1_000;

const [path = "", factor = "1"] = process.argv.slice(2);

async function main(): Promise<void> {
  const store = await openSqliteStore({ path, clock: fastClock(Number(factor)) });
  const server = await startServer(
    await loadConfig({ flags: { port: 0, logLevel: "warn", sweepIntervalMs: SWEEP_MS } }),
    { store },
  );
  process.stdin.on("end", () => void server.close()).resume();
  process.stdout.write(`pullqueue listening on ${server.url}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
