import { readFileSync } from "node:fs";
import { DISCOVERY_PATH, ROUTES, type RouteName } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { BATCH_PATHS } from "../src/batch.js";
import { HEALTH_PATH, READY_PATH } from "../src/health.js";
import { METHODS } from "../src/methods.js";
import { METRICS_PATH } from "../src/metrics/metrics-page.js";
import type { Parameter } from "../src/parameters.js";
import { STANDARD_PARAMETERS } from "../src/standard-parameters.js";

const PAGE = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
const SECTIONS = new Map(
  PAGE.split(/^### /m)
    .slice(1)
    .map((section) => [/^`([\w.]+)`\n/.exec(section)?.[1], section.split(/^## /m)[0] ?? ""]),
);

/** The parameters in a section's table, each with the cell of its range and the rest of its row. */
function documentedParameters(section: string): ReadonlyMap<string, readonly [range: string, rest: string]> {
  const rows = section.matchAll(/^\| `(\w+)` +\| ([^|\n]*?) +\| ([^|\n]*?) *\|$/gm);
  return new Map([...rows].map(([, name, range, rest]) => [name!, [range!, rest!]]));
}

function rangeOf(parameter: Parameter): string {
  if (parameter.type === "integer") return `${parameter.minimum}–${parameter.maximum}`;
  return parameter.type === "boolean" ? "boolean" : "text";
}

test("docs/protocol.md has a section for each method, and no other", () => {
  expect([...SECTIONS.keys()].sort()).toEqual(Object.keys(ROUTES).sort());
});

describe.each(Object.keys(ROUTES) as RouteName[])("docs/protocol.md on %s", (name) => {
  const section = SECTIONS.get(name) ?? "";
  const { method, path } = ROUTES[name];
  const { parameters } = METHODS[name];

  test(`${name}: the page has its verb and path`, () => {
    expect(section).toContain(`\n\`${method} ${path}\`\n`);
  });

  test(`${name}: the page has its parameters with their ranges, and no others`, () => {
    const documented = documentedParameters(section);
    const ranges = [...documented].map(([key, [range]]) => [key, range]);
    const expected = Object.entries(parameters).map(([key, parameter]) => [key, rangeOf(parameter)]);
    expect(ranges.sort()).toEqual(expected.sort());
    const required = [...documented].filter(([, [, rest]]) => rest.startsWith("required"));
    expect(required.map(([key]) => key).sort()).toEqual(
      Object.keys(parameters)
        .filter((key) => parameters[key]?.required === true)
        .sort(),
    );
  });

  test(`${name}: the page says what is an addition, as the method does`, () => {
    const addition = METHODS[name].description.startsWith("Addition.");
    expect(/^Addition\./m.test(section)).toBe(addition);
  });
});

test("docs/protocol.md names every standard parameter and the paths beside the API", () => {
  for (const name of Object.keys(STANDARD_PARAMETERS)) expect(PAGE).toContain(`\`${name}\``);
  expect(PAGE).toContain(`GET ${DISCOVERY_PATH}`);
  for (const path of [HEALTH_PATH, READY_PATH, METRICS_PATH]) expect(PAGE).toContain(`GET ${path}`);
  for (const path of BATCH_PATHS) expect(PAGE).toContain(`\`POST ${path}\``);
});
