// npm run bench: answers the questions that goals are about by measuring, peers included; -- NAME … answers some, -- --quick in two minutes.
// npm run bench -- scaling-…: one of the programs that ask what more of everything costs. See benchmarks/README.md.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { binary, npm, prepare, ROOT, run, say } from "./prepare.mjs";

const FOLDER = join(ROOT, "benchmarks");
const PEERS = join(FOLDER, "peers");
const files = readdirSync(FOLDER).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
const parameters = process.argv.slice(2);
const firstOption = parameters.findIndex((word) => word.startsWith("-"));
const names = firstOption < 0 ? parameters : parameters.slice(0, firstOption);
const unknown = names.find((name) => !files.includes(name));
if (unknown !== undefined) {
  say(`there is no benchmark ${unknown}: ${files.join(", ")}`);
  process.exit(2);
}
await prepare();
const tsx = binary("tsx");
if (names.length === 1 && names[0].startsWith("scaling-")) {
  const file = join(FOLDER, `${names[0]}.ts`);
  process.exit(await run(process.execPath, [tsx, file, ...parameters.slice(1)]));
}
await installPeers();
process.exit(await run(process.execPath, [tsx, join(FOLDER, "support/run.ts"), ...parameters]));

/** The peers' packages are nobody's but the benchmarks'; without them the peers are named as missing. */
async function installPeers() {
  const { dependencies } = readJson(join(PEERS, "package.json"));
  const isInstalled = Object.entries(dependencies).every(([name, version]) => {
    const file = join(PEERS, "node_modules", name, "package.json");
    return existsSync(file) && readJson(file).version === version;
  });
  if (isInstalled) return;
  say("installing the peers' packages in benchmarks/peers");
  const [command, words] = npm("ci", "--prefix", PEERS, "--no-fund", "--no-audit");
  if ((await run(command, words)) !== 0) say("that failed: peers that need them will be missing");
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
