import { type Figures, type Goal, OURS, type Question, type Value } from "./question.js";

/** What was measured: all rounds of each contender at each value. */
interface Measured {
  readonly value: Value;
  readonly contender: string;
  /** In the order of the rounds, so that those of one index were taken close to each other. */
  readonly rounds: readonly Figures[];
}

/** The answer to a question, and all that one must know to believe it. */
export interface Answer {
  readonly name: string;
  readonly question: string;
  readonly command: string;
  /** Whether it was taken in less time, on fewer messages than figures are worth. */
  readonly isQuick: boolean;
  readonly date: string;
  readonly machine: string;
  readonly versions: readonly string[];
  /** Load average of the last minute when it began, and cores that others used meanwhile. */
  readonly loadBefore: number;
  readonly coresOfOthers: number;
  readonly rounds: number;
  readonly parameter: string;
  readonly values: readonly Value[];
  readonly measured: readonly Measured[];
  /** Contenders that were not measured, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
}

/** The middle of some figures, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Of at least one figure. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

/** Figures of one metric, one for each round; undefined where there are none. */
export function figuresOf(
  { measured }: Answer,
  metric: string,
  value: Value,
  contender: string,
): readonly number[] | undefined {
  const found = measured.find((one) => one.value === value && one.contender === contender);
  const figures = found?.rounds.flatMap((round) => round[metric] ?? []);
  return figures === undefined || figures.length === 0 ? undefined : figures;
}

/** Round by round one divided by the other, because what disturbs a machine disturbs neighbours alike; undefined where that is no figure. */
export function ratioOf(
  ours: readonly number[] | undefined,
  theirs: readonly number[] | undefined,
): Spread | undefined {
  if (ours === undefined || theirs === undefined) return undefined;
  const ratios = ours.slice(0, theirs.length).map((figure, round) => figure / theirs[round]!);
  return ratios.every(Number.isFinite) ? spreadOf(ratios) : undefined;
}

/** A goal's figure, where it was taken, and whether it is met; undefined where that figure cannot tell. */
export interface Judgement {
  readonly value: Value;
  readonly figure: Spread;
  readonly met: boolean | undefined;
}

/** Holds an answer against a goal; undefined where its figures were not measured. */
export function judge(answer: Answer, goal: Goal): Judgement | undefined {
  const { metric, value: wanted, quickValue = wanted } = goal;
  const value = figuresOf(answer, metric, wanted, OURS) === undefined ? quickValue : wanted;
  const ours = figuresOf(answer, metric, value, OURS);
  const isRatio = goal.to !== undefined || goal.toValue !== undefined;
  const other = figuresOf(answer, metric, goal.toValue ?? value, goal.to ?? OURS);
  const figure = isRatio ? ratioOf(ours, other) : ours && spreadOf(ours);
  if (figure === undefined) return undefined;
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = goal;
  const tells = value === wanted && !(answer.isQuick && goal.needsWholeRun === true);
  return { value, figure, met: tells ? figure.median >= least && figure.median <= most : undefined };
}

/** All contenders of a question that were measured, in its order. */
export function contendersOf({ contenders }: Question, { measured }: Answer): readonly string[] {
  return contenders.map(({ name }) => name).filter((name) => measured.some((one) => one.contender === name));
}
