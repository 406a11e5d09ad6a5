import { readFileSync } from "node:fs";
import { manualClock } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { AUTH_OPTIONS } from "../src/auth/auth-options.js";
import { CONFIG_FILE_OPTION, SERVE_OPTIONS } from "../src/config-options.js";
import { ServerMetrics } from "../src/metrics/server-metrics.js";

const document = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

/** Types of all metrics of a server by their names, from its page. */
async function metricTypes(): Promise<ReadonlyMap<string, string>> {
  const clock = manualClock();
  const metrics = new ServerMetrics(clock);
  metrics.watch(openMemoryStore({ clock }));
  metrics.watchConnections(async () => 0);
  const page = await metrics.page();
  await metrics.close();
  return new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
}

describe("docs/operations.md", () => {
  test("docs/operations.md has a row for each metric, with its type, and no other", async () => {
    const rows = document("operations.md").matchAll(/^\| `((?:pullqueue|process|nodejs)_\w+)` +\| (\w+)/gm);
    const documented = [...rows].map(([, name, type]) => [name, type]);
    expect(documented.sort()).toEqual([...(await metricTypes())].sort());
  });

  test("docs/operations.md has a row for each option that is not in docs/security.md, with its default", () => {
    const rows = document("operations.md").matchAll(/^\| `(--[\w-]+)` +\| (?:`(.*?)`)? +\|/gm);
    const options = Object.entries(SERVE_OPTIONS).filter(([name]) => !Object.hasOwn(AUTH_OPTIONS, name));
    const expected = options.map(([, { flag, default: preset }]) => [flag, preset && String(preset)]);
    expect([...rows].map(([, flag, preset]) => [flag, preset]).sort()).toEqual(
      [[CONFIG_FILE_OPTION.flag, undefined], ...expected].sort(),
    );
  });
});

/** A rules file, as far as it is looked at. */
interface RulesFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string; readonly action: string };
    }[];
  }[];
}

describe("docs/prometheus-rules.yml", () => {
  const rules = (parse(document("prometheus-rules.yml")) as RulesFile).groups.flatMap((group) => group.rules);

  test("docs/prometheus-rules.yml names only metrics that a server has", async () => {
    const types = await metricTypes();
    const series = new Set(["up"]);
    for (const [name, type] of types) {
      const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      for (const suffix of suffixes) series.add(name + suffix);
    }
    const named = rules.flatMap(
      ({ expr }) => expr.match(/\b(?:(?:pullqueue|process|nodejs)_\w+|up)\b/g) ?? [],
    );
    expect(named.filter((name) => !series.has(name) && name !== "pullqueue")).toEqual([]);
    expect(new Set(named).size).toBeGreaterThan(8);
  });

  test("docs/prometheus-rules.yml says of each alert how bad it is, what it means and what to do", () => {
    expect(rules.length).toBeGreaterThan(8);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        alert: expect.stringMatching(/^Pullqueue[A-Z]\w+$/),
        labels: { severity: expect.stringMatching(/^(?:page|ticket)$/) },
        annotations: { summary: expect.stringMatching(/./), action: expect.stringMatching(/[.?]$/) },
      });
    }
  });

  test("docs/prometheus-rules.yml advises to look at metrics that exist", async () => {
    const types = await metricTypes();
    const named = rules.flatMap(
      ({ annotations }) => annotations.action.match(/\b(?:pullqueue|nodejs)_\w+/g) ?? [],
    );
    expect(named.filter((name) => !types.has(name))).toEqual([]);
  });
});
