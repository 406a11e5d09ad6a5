import { Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { TallyHistogram } from "../../src/metrics/tally-histogram.js";

const BOUNDS = [0, 0.5, 1, 10];

/** At bounds, between them, below and above all. */
const VALUES = [-1, 0, 0.25, 0.5, 0.75, 1, 10, 10.5, 1e9];

test("TallyHistogram shows what prom-client's own histogram shows of the same values", async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const about = { name: "h", help: "Some values." };
  const tally = new TallyHistogram(ours, { ...about, label: "kind", bounds: BOUNDS });
  const histogram = new Histogram({ ...about, labelNames: ["kind"], buckets: BOUNDS, registers: [theirs] });
  for (const kind of ["a", 'b"\\\n']) {
    for (const value of VALUES) {
      tally.observe(kind, value);
      histogram.observe({ kind }, value);
    }
  }
  const lines = async (registry: Registry) => (await registry.metrics()).split("\n").map(unordered);
  expect(await lines(ours)).toEqual(await lines(theirs));
  expect(await ours.metrics()).toContain('h_bucket{kind="a",le="+Inf"} 9');
});

test("TallyHistogram has a name and a type before its first value, and no labels where it has none", async () => {
  const registry = new Registry();
  const tally = new TallyHistogram(registry, { name: "h", help: "x", label: undefined, bounds: [1] });
  expect(await registry.metrics()).toBe("# HELP h x\n# TYPE h histogram\n");
  tally.observe("", 1);
  expect(await registry.metrics()).toMatch(/^h_bucket\{le="1"\} 1\n.*\nh_sum 1\nh_count 1\n$/ms);
});

/** The labels of a line have no order. */
function unordered(line: string): string {
  return line.replace(
    /\{(.*)\}/,
    (_, labels: string) =>
      `{${labels
        .split(/,(?=\w+=)/)
        .sort()
        .join(",")}}`,
  );
}
