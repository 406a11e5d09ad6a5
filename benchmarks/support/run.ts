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
  refuse(`there is no question ${unknown}: ${QUESTIONS.map(({ name }) => name).join(", ")}`);
}

const named = values.only?.split(",") ?? [];
const nobody = named.find(
  (name) => !questions.some(({ contenders }) => contenders.some((one) => one.name === name)),
);
if (nobody !== undefined) {
  const all = new Set(questions.flatMap(({ contenders }) => contenders.map(({ name }) => name)));
  refuse(`--only: there is no contender ${nobody}: ${[...all].join(", ")}`);
}

function refuse(complaint: string): never {
  say(complaint);
  process.exit(2);
}

const QUICK_WARNING = "A quick run is a first answer: too short for programs to be warm, and of one round.";

/** Cores that other programs may use before figures are in doubt. */
const OTHERS_CORES_MAX = 0.5;

/** Why the figures may not be worth much, if so. */
function warningOf(all: readonly Answer[]): string | undefined {
  const busy = Math.max(0, ...all.map(({ coresOfOthers }) => coresOfOthers));
  if (busy > OTHERS_CORES_MAX) {
    return `Other programs used ${busy.toFixed(2)} cores meanwhile: measure again on a quiet machine before you believe a ratio.`;
  }
  return undefined;
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
    say,
    signal: interruption.signal,
  };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

const places = new Places(say);
const interruption = new AbortController();
/** The first signal has everything end in its own way; a second one has it killed, and what is left of it removed, by the end of this process. */
function interrupted(signal: "SIGINT" | "SIGTERM"): void {
  const code = signal === "SIGINT" ? 130 : 143;
  if (interruption.signal.aborted) process.exit(code);
  say(`${signal}: stopping what was started; once more to kill it`);
  interruption.abort(new Error("the benchmarks are being stopped"));
  Promise.all([stopContenders(), places[Symbol.asyncDispose]()]).finally(() => process.exit(code));
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupted);

const answers = new Map<string, Answer>();
mkdirSync(values.results, { recursive: true });
if (values.quick) say(QUICK_WARNING);
try {
  for (const [index, question] of questions.entries()) {
    say(`${index + 1} of ${questions.length}: ${question.question}`);
    const found = await answer(question, places, optionsFor(question.name));
    await places.endOwn();
    answers.set(question.name, found);
    writeFileSync(join(values.results, `${question.name}.json`), `${JSON.stringify(found, undefined, 2)}\n`);
    process.stdout.write(`${section(question, found, false)}\n\n`);
  }
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  await new Promise(() => {}); // What was measured of this question is half of it; the process ends when everything else has.
} finally {
  await places[Symbol.asyncDispose]();
}
process.stdout.write(`${goalTable(questions, answers)}\n\nAs JSON: ${values.results}\n`);
const warning = warningOf([...answers.values()]);
if (warning !== undefined) process.stderr.write(`${warning}\n`);
if (values.write) writePage(values.docs, QUESTIONS, answers);
// An open handle of a client must not keep the terminal.
process.exit([...answers.values()].some(({ measured }) => measured.length === 0) ? 1 : 0);
