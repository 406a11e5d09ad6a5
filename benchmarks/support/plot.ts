import type { Metric, Question, Value } from "./question.js";
import { type Answer, contendersOf, figuresOf, type Spread, spreadOf } from "./summary.js";
import { colourOf, element, path, picture, words } from "./svg.js";

/** The picture and each panel in it, in pixels. */
const WIDTH = 720;
const TOP = 28;
const PANEL = { left: 76, right: 16, top: 34, plot: 220, bottom: 44 };
const PANEL_HEIGHT = PANEL.top + PANEL.plot + PANEL.bottom;

/** From so many times the least on, an axis is logarithmic. */
const LOG_FROM = 20;

/** A ruler: where a figure lies, and where to write figures. */
interface Axis {
  place(figure: number): number;
  readonly ticks: readonly number[];
}

/** One contender's figures in a panel. */
interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly { readonly value: Value; readonly spread: Spread }[];
}

/** An answer as a picture: a panel for each metric, medians with their spread; lines where numbers vary, bars where words do. */
export function plot(question: Question, answer: Answer): string {
  const names = contendersOf(question, answer);
  const panels = question.metrics.map((metric, index) =>
    panel(question, answer, metric, names, TOP + index * PANEL_HEIGHT),
  );
  const height = TOP + question.metrics.length * PANEL_HEIGHT;
  return picture(question.question, WIDTH, height, [legend(names), ...panels]);
}

function legend(names: readonly string[]): string {
  let x = PANEL.left;
  const entries = names.map((name, index) => {
    const colour = colourOf(index);
    const entry = [
      element("rect", { x, y: 9, width: 12, height: 12, class: `f${colour}` }),
      words(name, { x: x + 17, y: 19, class: "ink" }),
    ].join("");
    x += 40 + name.length * 7;
    return entry;
  });
  return entries.join("");
}

function panel(
  question: Question,
  answer: Answer,
  metric: Metric,
  names: readonly string[],
  top: number,
): string {
  const series = names.map((name, index) => seriesOf(answer, metric, name, colourOf(index)));
  const spreads = series.flatMap(({ points }) => points.map(({ spread }) => spread));
  if (spreads.length === 0) return "";
  const bottom = top + PANEL.top + PANEL.plot;
  const isNumbers = answer.values.length > 1 && answer.values.every((value) => typeof value === "number");
  const y = axisOf(
    spreads.flatMap(({ least, most }) => [least, most]),
    bottom,
    top + PANEL.top,
    !isNumbers,
  );
  const drawn = isNumbers ? lines(answer, series, y, bottom) : bars(answer, series, y, bottom);
  return [
    words(metric.title, { x: PANEL.left, y: top + 22, class: "ink title" }),
    ...y.ticks.map((tick) => rule(tick, y.place(tick))),
    drawn,
    words(question.parameter, { x: WIDTH - PANEL.right, y: bottom + 34, class: "ink", "text-anchor": "end" }),
  ].join("\n");
}

function seriesOf(answer: Answer, metric: Metric, name: string, colour: string): Series {
  const points = answer.values.flatMap((value) => {
    const figures = figuresOf(answer, metric.key, value, name);
    return figures === undefined ? [] : [{ value, spread: spreadOf(figures) }];
  });
  return { name, colour, points };
}

function rule(tick: number, y: number): string {
  const { left, right } = PANEL;
  return [
    element("line", { x1: left, x2: WIDTH - right, y1: y, y2: y, class: "grid" }),
    words(short(tick), { x: left - 8, y: y + 4, class: "ink", "text-anchor": "end" }),
  ].join("");
}

function lines({ values }: Answer, series: readonly Series[], y: Axis, bottom: number): string {
  const x = acrossOf(values as readonly number[], PANEL.left + 30, WIDTH - PANEL.right - 30);
  const drawn = series.map(({ colour, points }) => {
    const at = points.map(({ value, spread }) => ({ x: x(value as number), spread }));
    return [
      path(
        at.map((point) => [point.x, y.place(point.spread.median)]),
        { class: `s${colour}`, "stroke-width": 2 },
      ),
      ...at.map((point) => whisker(point.x, point.spread, y, colour)),
      ...at.map((point) =>
        element("circle", { cx: point.x, cy: y.place(point.spread.median), r: 3.5, class: `f${colour}` }),
      ),
    ].join("");
  });
  return [...drawn, ...values.map((value) => label(value, x(value as number), bottom))].join("\n");
}

function bars({ values }: Answer, series: readonly Series[], y: Axis, bottom: number): string {
  const room = (WIDTH - PANEL.left - PANEL.right) / values.length;
  const width = Math.min(60, (room * 0.8) / series.length);
  const drawn = series.flatMap(({ colour, points }, index) =>
    points.map(({ value, spread }) => {
      const centre = PANEL.left + room * (values.indexOf(value) + 0.5);
      const x = centre + (index - series.length / 2) * width;
      const top = y.place(spread.median);
      const box = {
        x: x + 1,
        y: top,
        width: width - 2,
        height: bottom - top,
        class: `f${colour}`,
        opacity: "0.75",
      };
      return element("rect", box) + whisker(x + width / 2, spread, y, colour);
    }),
  );
  return [...drawn, ...values.map((value, i) => label(value, PANEL.left + room * (i + 0.5), bottom))].join(
    "\n",
  );
}

/** From the least to the most. */
function whisker(x: number, { least, most }: Spread, y: Axis, colour: string): string {
  return element("line", {
    x1: x,
    x2: x,
    y1: y.place(least),
    y2: y.place(most),
    class: `s${colour}`,
    "stroke-width": 1.5,
  });
}

function label(value: Value, x: number, bottom: number): string {
  const text = typeof value === "number" ? short(value) : value;
  return words(text, { x, y: bottom + 18, class: "ink", "text-anchor": "middle" });
}

/** Where each value lies: on a logarithmic axis, or as far from each other as the next where 0 is one of them, which no such axis has. */
function acrossOf(values: readonly number[], from: number, to: number): (value: number) => number {
  if (values.every((value) => value > 0)) return axisOf(values, from, to, false, true).place;
  return (value) => from + (values.indexOf(value) / (values.length - 1)) * (to - from);
}

/** Logarithmic where figures differ much, and then from the power of ten below; otherwise from 0. Bars always begin at 0. */
function axisOf(
  figures: readonly number[],
  from: number,
  to: number,
  isLinear: boolean,
  isTight = false,
): Axis {
  const most = Math.max(...figures);
  const least = Math.min(...figures);
  if (isLinear || least <= 0 || most < LOG_FROM * least) return linearAxis(most, from, to);
  const low = isTight ? Math.log10(least) : Math.floor(Math.log10(least));
  const high = isTight ? Math.log10(most) : Math.ceil(Math.log10(most));
  const ticks = Array.from(
    { length: Math.floor(high) - Math.ceil(low) + 1 },
    (_, i) => 10 ** (Math.ceil(low) + i),
  );
  return { ticks, place: (figure) => from + ((Math.log10(figure) - low) / (high - low)) * (to - from) };
}

function linearAxis(most: number, from: number, to: number): Axis {
  const power = 10 ** Math.floor(Math.log10(most || 1));
  const step = [0.2, 0.5, 1, 2].map((part) => part * power).find((size) => most / size <= 6) ?? 2 * power;
  const high = Math.ceil(most / step) * step || 1;
  const ticks = Array.from({ length: Math.round(high / step) + 1 }, (_, i) => i * step);
  return { ticks, place: (figure) => from + (figure / high) * (to - from) };
}

/** `20k`, `1M`, `0.5`. */
function short(figure: number): string {
  const [divisor, unit] = figure >= 1e6 ? [1e6, "M"] : figure >= 1e3 ? [1e3, "k"] : [1, ""];
  return `${Number((figure / divisor).toPrecision(3))}${unit}`;
}
