import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plot } from "./plot.js";
import type { Question } from "./question.js";
import type { Answer } from "./summary.js";
import { circumstances, GOAL_HEAD, goalRow, markdownTable, metricTable } from "./tables.js";

const FILE = "performance.md";

/** What is written here belongs to the benchmarks; what stands between two sections to people. */
const begin = (name: string) => `<!-- ${name}: written by the benchmarks -->`;
const end = (name: string) => `<!-- ${name}: end -->`;

/** Writes the sections of the answered questions, their rows of the goal table, and a picture for each. */
export function writePage(
  folder: string,
  questions: readonly Question[],
  answers: ReadonlyMap<string, Answer>,
): void {
  mkdirSync(join(folder, "performance"), { recursive: true });
  const file = join(folder, FILE);
  let page = existsSync(file) ? readFileSync(file, "utf8") : "# Performance\n";
  page = withSection(page, "goals", goalTable(questions, answers, rowsOf(page)));
  for (const question of questions) {
    const answer = answers.get(question.name);
    if (answer === undefined) continue;
    page = withSection(page, question.name, section(question, answer));
    writeFileSync(join(folder, "performance", `${question.name}.svg`), plot(question, answer));
  }
  writeFileSync(file, page);
}

/** An answer as a section of a document, with or without its picture. */
export function section(question: Question, answer: Answer, hasPicture = true): string {
  const image = `![${question.question}](performance/${question.name}.svg)`;
  return [
    `## ${question.question}`,
    question.text,
    ...question.metrics.map(
      (metric) => `${sentence(metric.title)}:\n\n${metricTable(question, answer, metric)}`,
    ),
    ...(hasPicture ? [image] : []),
    circumstances(question, answer),
  ].join("\n\n");
}

/** All goals; those that were not measured now keep the row that they had. */
export function goalTable(
  questions: readonly Question[],
  answers: ReadonlyMap<string, Answer>,
  known: ReadonlyMap<string, readonly string[]> = new Map(),
): string {
  const rows = questions.flatMap(({ name, goals }) =>
    goals.map((goal) => {
      const row = goalRow(goal, answers.get(name));
      return row[2] === "–" ? (known.get(goal.what) ?? row) : row;
    }),
  );
  return markdownTable(GOAL_HEAD, rows);
}

/** The rows of the goal table that is there, by their first cell. */
function rowsOf(page: string): ReadonlyMap<string, readonly string[]> {
  const table = between(page, "goals") ?? "";
  const rows = table.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return new Map(rows.filter((row) => row.length === GOAL_HEAD.length).map((row) => [row[0]!, row]));
}

function between(page: string, name: string): string | undefined {
  const from = page.indexOf(begin(name));
  const to = page.indexOf(end(name));
  return from < 0 || to < from ? undefined : page.slice(from + begin(name).length, to);
}

/** Replaces a section, or adds it at the end. */
function withSection(page: string, name: string, text: string): string {
  const block = `${begin(name)}\n\n${text}\n\n${end(name)}`;
  const old = between(page, name);
  if (old === undefined) return `${page.trimEnd()}\n\n${block}\n`;
  return page.replace(`${begin(name)}${old}${end(name)}`, () => block);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
