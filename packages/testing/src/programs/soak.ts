/**
 * A day in a few minutes: `npm run soak -- SECONDS` (default 300) loads a server with clients that crash, and prints what
 * became of its memory, its files and the tasks. Ends with 1 when something grew, was lost or was doubled.
 */
import { soak } from "../soak/soak.js";
import { mebibytes } from "../soak/trend.js";

const [seconds = "300"] = process.argv.slice(2);

async function main(): Promise<void> {
  const report = await soak(Number(seconds));
  const { capacityPerSecond, askedPerSecond, stored, deleted, clientsKilled } = report;
  const lines = [
    `${report.seconds} s at ${askedPerSecond} tasks/s (capacity ${capacityPerSecond}), ${clientsKilled} clients killed`,
    `${stored} tasks stored, ${deleted} deletes acknowledged`,
    "third   rss MiB   heap MiB   files MiB   most tasks",
    ...report.thirds.map(
      ({ rssBytes, heapBytes, fileBytes, liveTasks }, index) =>
        `${index + 1}       ${[rssBytes, heapBytes, fileBytes].map((bytes) => mebibytes(bytes).padEnd(9)).join(" ")}   ${liveTasks}`,
    ),
    ...report.complaints,
    ...report.growth,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  if (report.complaints.length + report.growth.length > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
