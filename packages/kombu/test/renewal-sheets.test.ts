import { describe, expect, test } from "vitest";
import { LeaseSheet, SHEET_LEASES_MAX } from "../src/lease-sheet.js";
import { RenewalSheets } from "../src/renewal-sheets.js";

const lease = (name: string) => ({ deliveryTag: name, leaseEndsAtUs: 100 as number | undefined });
const line = (name: string, leaseEndsAtUs = 100) => ({
  ...{ ticket: { id: name }, leaseEndsAtUs, lengthUs: 60, untilUs: Number.POSITIVE_INFINITY },
});

describe("RenewalSheets", () => {
  test("tells of leases that came together on one sheet, which shows what is over", () => {
    const sheets = new RenewalSheets();
    const [a, b, c] = [lease("a"), lease("b"), lease("c")];
    for (const one of [a, b, c]) sheets.keep(one, line(one.deliveryTag));
    sheets.drop(b); // Before anybody was told.
    const [told, ...others] = sheets.news().sheets!;
    expect(others).toEqual([]);
    expect(JSON.parse(told!.tickets)).toEqual([{ id: "a" }, { id: "c" }]);
    const seen = LeaseSheet.at(told!.shared);
    expect([seen.size, seen.read(1)]).toEqual([
      2,
      { leaseEndsAtUs: 100, lengthUs: 60, untilUs: Number.POSITIVE_INFINITY },
    ]);
    expect([seen.isOver(0), seen.isOver(1), seen.dueUs(0.5)]).toEqual([false, false, 70]);
    expect([sheets.drop(a), sheets.drop(a), sheets.size]).toEqual([told!.firstId, undefined, 1]);
    expect([seen.isOver(0), seen.isOver(1)]).toEqual([true, false]);
    sheets.drop(c);
    expect(seen.dueUs(0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(sheets.news()).toEqual({ sheets: [], kept: [], done: [told!.firstId] });
  });

  test("tells again of what was renewed here, and takes over what was renewed there", () => {
    const sheets = new RenewalSheets();
    const [a, b] = [lease("a"), lease("b")];
    sheets.keep(a, line("a"));
    sheets.keep(b, line("b"));
    const { firstId, shared } = sheets.news().sheets![0]!;
    sheets.keep(b, line("b2", 200));
    expect(sheets.news().kept).toEqual([{ id: firstId + 1, ...line("b2", 200) }]);
    expect(LeaseSheet.at(shared).dueUs(0.5)).toBe(70);
    expect(sheets.renewed({ id: firstId, ticket: { id: "a2" }, leaseEndsAtUs: 300 })).toBe(a);
    expect(a.leaseEndsAtUs).toBe(300);
    expect(LeaseSheet.at(shared).dueUs(0.5)).toBe(170);
    sheets.drop(a);
    expect(sheets.renewed({ id: firstId, ticket: { id: "a3" }, leaseEndsAtUs: 400 })).toBeUndefined();
  });

  test("tells a new thread of everything, renewals included, under ids of its own", () => {
    const sheets = new RenewalSheets();
    const held = Array.from({ length: SHEET_LEASES_MAX + 2 }, (_, index) => lease(`t${index}`));
    for (const one of held) sheets.keep(one, line(one.deliveryTag));
    const before = sheets.news().sheets!;
    expect(before.map(({ shared }) => LeaseSheet.at(shared).size)).toEqual([SHEET_LEASES_MAX, 2]);
    sheets.renewed({ id: before[1]!.firstId, ticket: { id: "new" }, leaseEndsAtUs: 300 });
    for (const one of held.slice(2, -2)) sheets.drop(one);
    sheets.keep(lease("fresh"), line("fresh"));
    const [all, ...others] = sheets.everything().sheets!;
    expect(others).toEqual([]);
    const names = JSON.parse(all!.tickets).map(({ id }: { id: string }) => id);
    expect(names).toEqual(["t0", "t1", "new", `t${SHEET_LEASES_MAX + 1}`, "fresh"]);
    expect(LeaseSheet.at(all!.shared).read(2).leaseEndsAtUs).toBe(300);
    expect(sheets.renewed({ id: before[0]!.firstId, ticket: {}, leaseEndsAtUs: 400 })).toBeUndefined();
    expect(sheets.drop(held[0]!)).toBe(all!.firstId);
  });
});
