// Answers questions of the benchmarks, one after the other: run.ts [NAME …] [options]; without a name, all. See ../README.md.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stopContenders } from "./contenders.js";
import { answer, type RunOptions } from "./measuring.js";
import { goalTable, section, writePage } from "./page.js";
import { Places } from "./places.js";
import { PAYLOAD_BYTES } from "./question.js";
import { QUESTIONS } from "./questions.js";
import type { Answer } from "./summary.js";

/** Rounds unless told otherwise: medians of five stand a bad one or two. */
const ROUNDS = 5;
const QUICK_ROUNDS = 1;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    messages: { type: "string" },
    payload: { type: "string", default: String(PAYLOAD_BYTES) },
    values: { type: "string" },
    only: { type: "string" },
    write: { type: "boolean", default: false },
    docs: { type: "string", default: "docs" },
    results: { type: "string", default: ".pullqueue/bench" },
  },
});
const questions = QUESTIONS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const unknown = positionals.find((name) => !QUESTIONS.some((question) => question.name === name));
if (unknown !== undefined) {
  throw new Error(`there is no question ${unknown}: ${QUESTIONS.map(({ name }) => name).join(", ")}`);
}

/** What the command line says of one question; its own command is the shortest that repeats it. */
function optionsFor(name: string): RunOptions {
  return {
    quick: values.quick,
    rounds: Number(values.rounds ?? (values.quick ? QUICK_ROUNDS : ROUNDS)),
    messages: values.messages === undefined ? undefined : Number(values.messages),
    payloadBytes: Number(values.payload),
    values: values.values?.split(","),
    only: values.only?.split(","),
    command: [
      "npm run bench --",
      name,
      ...process.argv.slice(2).filter((word) => !positionals.includes(word)),
    ].join(" "),
    say: (line) => void process.stderr.write(`${line}\n`),
  };
}

const places = new Places();
/** Ctrl-C reaches all that was started, SIGTERM does not; both wait until it has ended, and its folders are removed. */
let stopping: Promise<void> | undefined;
const interrupted = async (signal: NodeJS.Signals) => {
  process.stderr.write(`${signal}: stopping what was started\n`);
  try {
    await Promise.all([stopContenders(), places[Symbol.asyncDispose]()]);
  } finally {
    process.exit(signal === "SIGINT" ? 130 : 143);
  }
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopping ??= interrupted(signal);
  });
}

const answers = new Map<string, Answer>();
mkdirSync(values.results, { recursive: true });
try {
  for (const question of questions) {
    const found = await answer(question, places, optionsFor(question.name));
    await stopping; // The process ends with it; what was measured of this question is half of it.
    await places.endOwn();
    answers.set(question.name, found);
    writeFileSync(join(values.results, `${question.name}.json`), `${JSON.stringify(found, undefined, 2)}\n`);
    process.stdout.write(`${section(question, found, false)}\n\n`);
  }
} finally {
  await places[Symbol.asyncDispose]();
}
process.stdout.write(`${goalTable(questions, answers)}\n\nAs JSON: ${values.results}\n`);
if (values.write) writePage(values.docs, QUESTIONS, answers);
// An open handle of a client must not keep the terminal.
process.exit([...answers.values()].some(({ measured }) => measured.length === 0) ? 1 : 0);
