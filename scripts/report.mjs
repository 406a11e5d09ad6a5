// Reads what vitest reported. Called by itself it prints `N passed, N failed` and fails when anything failed or nothing ran.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./prepare.mjs";

/** Where `npm test` leaves its report. */
export const REPORT_PATH = join(ROOT, ".pullqueue/test-report.json");

/** How many tests passed and failed; a file that broke before its first test counts as one failure. */
export function readReport(path = REPORT_PATH) {
  let passed = 0;
  let failed = 0;
  const { testResults } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { testResults: [] };
  for (const { status, assertionResults } of testResults) {
    const failures = count(assertionResults, "failed");
    passed += count(assertionResults, "passed");
    failed += status === "failed" && failures === 0 ? 1 : failures;
  }
  return { passed, failed };
}

function count(results, wanted) {
  return results.filter(({ status }) => status === wanted).length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed } = readReport();
  // Checks that are no tests (types, lint) and failed are told by number.
  const failures = failed + Number(process.argv[2] ?? 0);
  process.stdout.write(`${passed} passed, ${failures} failed\n`);
  process.exitCode = failures > 0 || passed === 0 ? 1 : 0;
}
