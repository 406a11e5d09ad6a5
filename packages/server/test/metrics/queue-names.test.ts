import { expect, test } from "vitest";
import { OTHER_QUEUES, QueueNames } from "../../src/metrics/queue-names.js";

const key = (queue: string, project = "p") => ({ project, queue });

test("labelsOf() gives a queue the same labels each time, apart by project", () => {
  const names = new QueueNames();
  const labels = names.labelsOf(key("q"));
  expect(labels).toEqual({ project: "p", queue: "q" });
  expect(names.labelsOf(key("q"))).toBe(labels);
  expect(names.labelsOf(key("q", "p2"))).not.toBe(labels);
});

test("labelsOf() sums queues beyond the limit under _others", () => {
  const names = new QueueNames(2);
  names.labelsOf(key("a"));
  names.labelsOf(key("b"));
  expect(names.labelsOf(key("c"))).toBe(OTHER_QUEUES);
  expect(names.labelsOf(key("a"))).toEqual(key("a"));
});

test("retain() forgets queues that were not seen, and gives their room to others", () => {
  const names = new QueueNames(2);
  const [a] = [names.labelsOf(key("a")), names.labelsOf(key("b"))];
  expect(names.retain(new Set([a]), names.moment())).toEqual([key("b")]);
  expect(names.labelsOf(key("c"))).toEqual(key("c"));
});

test("retain() keeps a queue that was named after the look began", () => {
  const names = new QueueNames();
  const since = names.moment();
  const late = names.labelsOf(key("late"));
  expect(names.retain(new Set(), since)).toEqual([]);
  expect(names.labelsOf(key("late"))).toBe(late);
  expect(names.retain(new Set(), names.moment())).toEqual([late]);
});
