import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isBefore, type Sortable, SortedTasks, START } from "../../src/stores/sorted-tasks.js";

const compare = (a: Sortable, b: Sortable) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0);

function item(number: number): Sortable {
  return { etaUs: number % 97, id: String(number).padStart(6, "0") };
}

describe("SortedTasks", () => {
  test("add() and remove() keep the order (eta, id) whatever is added and removed", () => {
    const step = fc.record({ number: fc.nat(3000), adds: fc.integer({ min: 0, max: 3 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 4000, size: "max" }), (steps) => {
        const sorted = new SortedTasks<Sortable>();
        const model = new Map<number, Sortable>();
        for (const { number, adds } of steps) {
          const known = model.get(number);
          if (known === undefined && adds > 0) {
            model.set(number, item(number));
            sorted.add(model.get(number)!);
          } else if (known !== undefined && adds === 0) {
            model.delete(number);
            sorted.remove(known);
          }
        }
        const expected = [...model.values()].sort(compare);
        expect([...sorted.after(START)]).toEqual(expected);
        expect(sorted.size).toBe(expected.length);
        expect(sorted.first()).toEqual(expected[0]);
        expect(sorted.countUpTo(40)).toBe(expected.filter(({ etaUs }) => etaUs <= 40).length);
      }),
      { numRuns: 20 },
    );
  });

  test("after() begins behind a position, whether or not an item stands there", () => {
    const sorted = new SortedTasks<Sortable>();
    for (let number = 0; number < 2000; number += 2) sorted.add({ etaUs: number, id: "a" });
    const next = (etaUs: number, id: string) => sorted.after({ etaUs, id }).next().value?.etaUs;
    expect(next(1000, "a")).toBe(1002);
    expect(next(1000, "")).toBe(1000);
    expect(next(1001, "a")).toBe(1002);
    expect(next(1998, "a")).toBeUndefined();
  });

  test("remove() refuses an item that is not in it", () => {
    expect(() => new SortedTasks<Sortable>().remove(item(1))).toThrow("not where its order puts it");
  });
});
