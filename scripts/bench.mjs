// npm run bench -- NAME: answers one question by measuring; without a name, says which there are. See benchmarks/README.md.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { binary, prepare, ROOT, run, say } from "./prepare.mjs";

const FOLDER = join(ROOT, "benchmarks");
const names = readdirSync(FOLDER).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
const [name, ...parameters] = process.argv.slice(2);
if (!names.includes(name)) {
  say(`${name === undefined ? "which one" : `there is no benchmark ${name}`}: ${names.join(", ")}`);
  process.exit(2);
}
await prepare();
process.exit(await run(process.execPath, [binary("tsx"), join(FOLDER, `${name}.ts`), ...parameters]));
