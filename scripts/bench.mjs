// npm run bench: answers the questions that goals are about by measuring, peers included; -- NAME … answers some, -- --quick in two minutes.
// npm run bench -- scaling-…: one of the programs that ask what more of everything costs. See benchmarks/README.md.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { npm, prepare, ROOT, run, say } from "./prepare.mjs";

const FOLDER = join(ROOT, "benchmarks");
const PEERS = join(FOLDER, "peers");
const files = readdirSync(FOLDER).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
const parameters = process.argv.slice(2);

/** Of questions; support/run.ts reads the same. */
const TEXT = { type: "string" };
const FLAG = { type: "boolean" };
const OPTIONS = {
  ...{ quick: FLAG, write: FLAG },
  ...{ rounds: TEXT, messages: TEXT, payload: TEXT, values: TEXT, only: TEXT, docs: TEXT, results: TEXT },
};
if (parameters.some((word) => word === "--help" || word === "-h")) {
  process.stdout.write(usage());
  process.exit(0);
}
const firstOption = parameters.findIndex((word) => word.startsWith("-"));
const names = firstOption < 0 ? parameters : parameters.slice(0, firstOption);
const unknown = names.find((name) => !files.includes(name));
if (unknown !== undefined) {
  say(`there is no benchmark ${unknown}: ${files.join(", ")}`);
  process.exit(2);
}
const isScaling = names.length === 1 && names[0].startsWith("scaling-");
const complaint = isScaling ? undefined : complaintOf(parameters);
if (complaint !== undefined) {
  say(`${complaint}; npm run bench -- --help says what there is`);
  process.exit(2);
}
await prepare();
if (isScaling) process.exit(await measure(`${names[0]}.ts`, parameters.slice(1)));
await installPeers();
process.exit(await measure("support/run.ts", parameters));

/** Runs a program of the benchmarks, which ends by itself what it has started. tsx is in it: its command would signal twice. */
function measure(file, words) {
  const program = ["--import", "tsx", join(FOLDER, file), ...words];
  return run(process.execPath, program, { apart: true });
}

/** What is wrong with a command line, before anything is installed, built or started for it. */
function complaintOf(words) {
  try {
    const { values } = parseArgs({ args: words, options: OPTIONS, allowPositionals: true });
    const number = ["rounds", "messages", "payload"].find(
      (name) => values[name] !== undefined && !/^[1-9][0-9]*$/.test(values[name]),
    );
    return number && `--${number} must be a whole number from 1, got ${JSON.stringify(values[number])}`;
  } catch (error) {
    return error.message.replace(/\. .*/s, "");
  }
}

function usage() {
  const questions = files.filter((name) => !name.startsWith("scaling-"));
  return `Usage: npm run bench -- [QUESTION ...] [options]

Answers questions by measuring, peers beside ours; without a name, all of them, which takes an hour or more.

Questions: ${questions.join(", ")}

  --quick            the values that goals are about, fewer messages, one round: a first answer, not to be compared with docs/performance.md
  --rounds N         rounds of each contender at each value (default 5)
  --values A,B       of what varies, instead of the question's own
  --only A,B         contenders by name: pullqueue,RabbitMQ
  --messages N       of each run; idle: seconds of watching, stored: calls of each kind
  --payload BYTES    of each message (default 1024)
  --write            puts the answers into docs/performance.md and its pictures
  --docs FOLDER      where that is (default docs)
  --results FOLDER   for the figures as JSON (default .pullqueue/bench)

What more of everything costs: npm run bench -- scaling-batch|scaling-servers|scaling-stored [--store postgres|sqlite] [--values A,B] [--seconds S]

More: benchmarks/README.md
`;
}

/** The peers' packages are nobody's but the benchmarks'; without them the peers are named as missing. */
async function installPeers() {
  const { dependencies } = readJson(join(PEERS, "package.json"));
  const isInstalled = Object.entries(dependencies).every(([name, version]) => {
    const file = join(PEERS, "node_modules", name, "package.json");
    return existsSync(file) && readJson(file).version === version;
  });
  if (isInstalled) return;
  say("installing the peers' packages in benchmarks/peers");
  // Of warnings there is one: a peer would like a newer Node, and does without.
  const [command, words] = npm("ci", "--prefix", PEERS, "--no-fund", "--no-audit", "--loglevel=error");
  const code = await run(command, words);
  if (code === 130 || code === 143) process.exit(code); // It was interrupted.
  if (code !== 0) say("that failed: peers that need them will be missing");
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
