import type { Goal, Metric, Question, Value } from "./question.js";
import { OURS } from "./question.js";
import { type Answer, contendersOf, figuresOf, judge, ratioOf, type Spread, spreadOf } from "./summary.js";

/** A table of Markdown; the columns are as wide as their widest cell, so that it can be read as it is. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** One metric: a row for each value, medians with their spread, then ours divided by each peer's. */
export function metricTable(question: Question, answer: Answer, metric: Metric): string {
  const names = contendersOf(question, answer);
  const peers = names.includes(OURS) ? names.filter((name) => name !== OURS) : [];
  const figures = (value: Value, name: string) => figuresOf(answer, metric.key, value, name);
  const rows = answer.values.map((value) => [
    String(value),
    ...names.map((name) => {
      const found = figures(value, name);
      return found === undefined ? "–" : withSpread(spreadOf(found), metric.digits);
    }),
    ...peers.map((name) => {
      const ratio = ratioOf(figures(value, OURS), figures(value, name));
      return ratio === undefined ? "–" : `${ratio.median.toFixed(2)} ×`;
    }),
  ]);
  return markdownTable([question.parameter, ...names, ...peers.map((name) => `${OURS} / ${name}`)], rows);
}

/** Goals with what was measured. */
export const GOAL_HEAD = ["what", "goal", "measured", "met"];

/** A goal's row; a dash where this answer says nothing of it. */
export function goalRow(goal: Goal, answer: Answer | undefined): readonly string[] {
  const judgement = answer && judge(answer, goal);
  if (judgement === undefined) return [goal.what, wanted(goal), "–", "–"];
  const { value, figure, met } = judgement;
  const where = value === goal.value ? "" : `, at ${value} alone`;
  const verdict = met === undefined ? "–" : met ? "yes" : "no";
  return [
    goal.what,
    wanted(goal),
    `${withSpread(figure, figure.median < 100 ? 2 : 0)} ${goal.unit}${where}`,
    verdict,
  ];
}

function wanted({ least, most, unit }: Goal): string {
  return least === undefined ? `≤ ${most} ${unit}` : `≥ ${least} ${unit}`;
}

/** `12300 (11000–13100)`. */
function withSpread({ median, least, most }: Spread, digits = 0): string {
  const shown = (figure: number) => figure.toFixed(digits);
  return least === most ? shown(median) : `${shown(median)} (${shown(least)}–${shown(most)})`;
}

/** Where and how an answer was found, and who is missing, as paragraphs. */
export function circumstances(question: Question, answer: Answer): string {
  const { command, date, machine, versions, loadBefore, coresOfOthers, rounds, missing } = answer;
  const gone = Object.entries(missing).map(([name, why]) => `- **${name} is missing**: ${why}`);
  const about = question.contenders
    .filter(({ name }) => !(name in missing) && contendersOf(question, answer).includes(name))
    .map(({ name, about }) => `- ${name}: ${about}.`);
  return [
    [...about, ...gone].join("\n"),
    `\`${command}\` on ${date}: ${machine}; ${versions.join(", ")}. ${roundsText(rounds)}; load average before ${loadBefore.toFixed(1)}, cores that others used ${coresOfOthers.toFixed(2)}.`,
  ].join("\n\n");
}

function roundsText(rounds: number): string {
  return rounds === 1 ? "One round" : `Medians of ${rounds} rounds (least–most)`;
}
