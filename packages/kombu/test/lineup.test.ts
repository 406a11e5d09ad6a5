import { describe, expect, test } from "vitest";
import { Lineup } from "../src/lineup.js";

describe("Lineup", () => {
  test("keeps the order of arrival, whoever leaves", () => {
    const lineup = new Lineup<string>();
    const standings = ["a", "b", "c", "d", "e"].map((item) => lineup.enter(item));
    for (const index of [2, 0, 4]) expect(lineup.leave(standings[index])).toBe(true);
    expect([...lineup]).toEqual(["b", "d"]);
    lineup.enter("f");
    expect([[...lineup], lineup.size]).toEqual([["b", "d", "f"], 3]);
    for (const index of [1, 3]) lineup.leave(standings[index]);
    expect([...lineup]).toEqual(["f"]);
  });

  test("leave() is quiet about what has left, or never came", () => {
    const lineup = new Lineup<string>();
    const standing = lineup.enter("a");
    expect([lineup.leave(undefined), lineup.leave(standing), lineup.leave(standing)]).toEqual([
      false,
      true,
      false,
    ]);
    expect([lineup.size, ...lineup]).toEqual([0]);
  });

  test("what has left keeps nobody alive, and may be left while all are gone through", () => {
    const lineup = new Lineup<number>();
    const standings = [1, 2, 3].map((item) => lineup.enter(item));
    const seen: number[] = [];
    for (const item of lineup) {
      seen.push(item);
      for (const standing of standings) lineup.leave(standing);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(standings.every(({ before, behind }) => before === undefined && behind === undefined)).toBe(true);
  });
});
