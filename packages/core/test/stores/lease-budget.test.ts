import { expect, test } from "vitest";
import { LEASE_BUDGETS_MAX } from "../../src/limits.js";
import { LeaseBudget } from "../../src/stores/lease-budget.js";

const queue = { project: "p", queue: "q" };
const SECOND_US = 1_000_000;

test("take() lets a second's worth through at once, then says when the next may go", () => {
  const budget = new LeaseBudget();
  for (let count = 0; count < 4; count++) expect(budget.take(queue, 4, 0)).toBeUndefined();
  expect(budget.take(queue, 4, 0)).toBe(SECOND_US / 4);
  expect(budget.take(queue, 4, 100_000)).toBe(SECOND_US / 4);
  expect(budget.take(queue, 4, SECOND_US / 4)).toBeUndefined();
  expect(budget.take(queue, 4, SECOND_US / 4)).toBe(SECOND_US / 2);
});

test("take() fills no further than a second's worth, and always holds one", () => {
  const budget = new LeaseBudget();
  expect(budget.take(queue, 0.1, 0)).toBeUndefined();
  expect(budget.take(queue, 0.1, 5 * SECOND_US)).toBe(10 * SECOND_US);
  expect(budget.take(queue, 0.1, 100 * SECOND_US)).toBeUndefined();
  expect(budget.take(queue, 0.1, 100 * SECOND_US)).toBe(110 * SECOND_US);
});

test("take() follows a rate that is changed", () => {
  const budget = new LeaseBudget();
  expect(budget.take(queue, 1, 0)).toBeUndefined();
  expect(budget.take(queue, 10, 0)).toBe(SECOND_US / 10);
  expect(budget.take(queue, 10, SECOND_US)).toBeUndefined();
});

test("take() counts for each queue, and forgets the oldest where there are too many", () => {
  const budget = new LeaseBudget();
  for (let index = 0; index <= LEASE_BUDGETS_MAX; index++) {
    expect(budget.take({ project: "p", queue: String(index) }, 1, 0)).toBeUndefined();
  }
  expect(budget.take({ project: "p", queue: "1" }, 1, 0)).toBe(SECOND_US);
  expect(budget.take({ project: "p", queue: "0" }, 1, 0)).toBeUndefined();
});
