// npm test: everything that can run here, and plainly what was left out. Arguments go to vitest.
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { binary, prepare, run, say } from "./prepare.mjs";
import { REPORT_PATH, readReport } from "./report.mjs";

await prepare();
mkdirSync(dirname(REPORT_PATH), { recursive: true });
rmSync(REPORT_PATH, { force: true });
const code = await run(process.execPath, [
  binary("vitest"),
  "run",
  ...["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT_PATH}`],
  ...process.argv.slice(2),
]);
const { leftOut } = readReport();
if (leftOut.size > 0) {
  say("left out, because this machine has not what they need (REQUIRE_SERVICES=1 makes that a failure):");
  for (const [group, tests] of leftOut) say(`  ${tests} of ${group}`);
}
process.exit(code);
