// npm run check: what a reviewer would run, in the order of what fails fastest. Stops at the first failure.
// Names of parts as arguments run those alone: npm run check -- types lint
import { fileURLToPath } from "node:url";
import { binary, prepare, run, say } from "./prepare.mjs";

const TEST_SCRIPT = fileURLToPath(new URL("test.mjs", import.meta.url));
const REFERENCE_SCRIPT = fileURLToPath(new URL("reference.mjs", import.meta.url));

/** Each part by its name: programs for Node, one after the other. */
const PARTS = {
  types: () => [
    [binary("typescript", "tsc"), "-b"],
    [binary("typescript", "tsc"), "-p", "tsconfig.tests.json", "--noEmit"],
  ],
  lint: () => [
    [binary("@biomejs/biome", "biome"), "lint", "--error-on-warnings", "."],
    [binary("eslint"), "--max-warnings=0", "."],
  ],
  format: () => [[binary("@biomejs/biome", "biome"), "check", "--linter-enabled=false", "."]],
  unused: () => [[binary("knip")]],
  tidy: () => [[binary("vitest"), "run", "packages/testing/test/tidy.test.ts"]],
  reference: () => [[REFERENCE_SCRIPT, "--check"]],
  tests: () => [[TEST_SCRIPT]],
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  say(`there is no part ${unknown}: choose from ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
await prepare();
for (const [name, programs] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stdout.write(`\n== ${name}\n`);
  for (const program of programs()) {
    const code = await run(process.execPath, program);
    if (code === 0) continue;
    say(`check failed at: ${name}. Alone: npm run check -- ${name}`);
    process.exit(code);
  }
}
process.stdout.write("\nAll checks passed.\n");
