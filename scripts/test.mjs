// npm test: everything that can run here, and plainly what was left out. Arguments go to vitest.
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { binary, prepare, run } from "./prepare.mjs";
import { REPORT_PATH } from "./report.mjs";

await prepare();
mkdirSync(dirname(REPORT_PATH), { recursive: true });
rmSync(REPORT_PATH, { force: true });
const code = await run(process.execPath, [
  binary("vitest"),
  "run",
  ...["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT_PATH}`],
  ...process.argv.slice(2),
]);
if (process.env.REQUIRE_SERVICES !== "1") {
  // Where thousands of lines have gone by since a test said so itself.
  const { isMissing, SERVICE_NAMES } = await import("../packages/testing/dist/services.js");
  for (const name of SERVICE_NAMES) isMissing(name);
}
process.exit(code);
