import { describe, expect, test } from "vitest";
import { enterLine } from "../src/soak/client-lines.js";
import { soak } from "../src/soak/soak.js";
import { SoakLedger } from "../src/soak/soak-ledger.js";
import { growthOf, thirdsOf } from "../src/soak/trend.js";

/** `SOAK_SECONDS=300` soaks for longer. */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 40);

/** Capacity, starts and the end, in milliseconds, beside the soak itself. */
const AROUND_MS = 90_000;

/** A ledger that was told these lines, `client: line`. */
function ledgerOf(...lines: readonly string[]): SoakLedger {
  const ledger = new SoakLedger();
  for (const line of lines) {
    const [client = "", told = ""] = line.split(": ");
    enterLine(ledger, client, told);
  }
  ledger.finish();
  return ledger;
}

describe("SoakLedger", () => {
  test("SoakLedger has nothing against a task that is handed on after its lease and deleted", () => {
    const ledger = ledgerOf(
      "p1: sending 0 2",
      "p1: sent 0 2",
      "c1: leased 0 10 p1:0/1 p1:1/1",
      "c2: leased 10 20 p1:0/2",
      "c2: releasing p1:0/2",
      "c1: leased 15 25 p1:0/3",
      "c1: deleting p1:0/3 p1:1/1",
      "c1: deleted p1:0/3 p1:1/1",
    );
    expect([ledger.complaints, ledger.stored, ledger.deleted]).toEqual([[], 2, 2]);
  });

  test.each([
    [["p1: sending 0 1", "p1: sent 0 1"], /p1:0 was acknowledged and is lost/],
    [["c1: leased 0 10 p9:0/1"], /p9:0 was leased and never inserted/],
    [
      ["p1: sending 0 1", "c1: leased 0 10 p1:0/1", "c2: leased 9 20 p1:0/2"],
      /lease 2 began 0.001 ms before/,
    ],
    [["p1: sending 0 1", "c1: leased 0 10 p1:0/1", "c2: leased 0 10 p1:0/1"], /its lease 1 was given twice/],
    [
      [
        "p1: sending 0 1",
        "c1: leased 0 10 p1:0/1",
        "c1: deleting p1:0/1",
        "c1: deleted p1:0/1",
        "c2: leased 90 99 p1:0/2",
      ],
      /leased again \(2\) after its delete/,
    ],
  ])("SoakLedger notices the fault in %j", (lines, complaint) => {
    expect(ledgerOf(...lines).complaints).toEqual([expect.stringMatching(complaint)]);
  });

  test("SoakLedger may hear of a lease before the insert", () => {
    const ledger = ledgerOf(
      "c1: leased 0 10 p1:1/1",
      "c1: deleting p1:1/1",
      "p1: sending 0 2",
      "c1: deleted p1:1/1",
    );
    expect([ledger.complaints, ledger.deleted]).toEqual([[], 1]);
  });

  test("SoakLedger may hear of a release after the delete that followed it", () => {
    const ledger = ledgerOf(
      "p1: sending 0 1",
      "c1: leased 0 10 p1:0/1",
      "c2: leased 5 15 p1:0/2",
      "c2: deleting p1:0/2",
      "c2: deleted p1:0/2",
      "c1: releasing p1:0/1",
    );
    expect(ledger.complaints).toEqual([]);
  });

  test("SoakLedger compares leases also of tasks that were deleted", () => {
    const lines = ["p1: sending 0 1", "c1: leased 0 10 p1:0/1", "c2: leased 5 15 p1:0/2"];
    const ledger = ledgerOf(...lines, "c2: deleting p1:0/2", "c2: deleted p1:0/2");
    expect(ledger.complaints).toEqual([expect.stringMatching(/lease 2 began 0.005 ms before/)]);
  });

  test("enterLine() takes a line about no task for what it is", () => {
    const ledger = ledgerOf("c1: deleted ", "c2: deleted ");
    expect([ledger.complaints, ledger.deleted]).toEqual([[], 0]);
  });

  test("SoakLedger takes an insert without an answer for neither stored nor lost", () => {
    expect(ledgerOf("p1: sending 0 50").complaints).toEqual([]);
  });
});

describe("growthOf()", () => {
  const MIB = 1024 * 1024;
  const samples = (rss: readonly number[], liveTasks: readonly number[] = [0, 0, 0]) =>
    rss.map((mib, index) => ({
      rssBytes: mib * MIB,
      heapBytes: MIB,
      fileBytes: mib * MIB,
      liveTasks: liveTasks[index]!,
    }));

  test("growthOf() says what grew from the second third to the last", () => {
    expect(growthOf(thirdsOf(samples([10, 100, 200])))).toEqual([
      "resident memory grew from 100.0 to 200.0 MiB",
      "the database and its log grew from 100.0 to 200.0 MiB",
    ]);
  });

  test("growthOf() counts off the tasks that are there, and forgives a tenth and some slack", () => {
    expect(growthOf(thirdsOf(samples([10, 100, 130])))).toEqual([]);
    expect(growthOf(thirdsOf(samples([10, 100, 200], [0, 0, 100_000])))).toEqual([
      "resident memory grew from 100.0 to 200.0 MiB",
    ]);
  });
});

test("a day in a few minutes: nothing grows, is lost or doubled while clients crash", {
  timeout: SECONDS * 2000 + AROUND_MS,
}, async () => {
  const report = await soak(SECONDS);
  expect(report.complaints).toEqual([]);
  expect(report.growth, JSON.stringify(report.thirds)).toEqual([]);
  expect(report.clientsKilled).toBeGreaterThan(SECONDS / 10);
  expect(report.deleted).toBeGreaterThan(0);
});
