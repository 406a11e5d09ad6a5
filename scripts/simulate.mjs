// npm run simulate: worlds full of faults, each chosen by a seed. Arguments go to the program.
import { join } from "node:path";
import { prepare, ROOT, run } from "./prepare.mjs";

await prepare();
const program = join(ROOT, "packages/testing/dist/programs/simulate.js");
process.exitCode = await run(process.execPath, [program, ...process.argv.slice(2)]);
