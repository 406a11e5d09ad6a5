import { encodePayload } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { Ledger, payloadFor } from "../../src/crash/ledger.js";
import type { RestTask } from "../../src/rest-client.js";

const PAYLOAD = encodePayload(payloadFor("c0-1", Uint8Array.of(1, 2, 3)));
const SECOND_US = 1_000_000;

function shown(changes: Partial<RestTask> = {}): RestTask {
  return { id: "t1", payloadBase64: PAYLOAD, leaseTimestamp: "0", retry_count: 0, ...changes };
}

/** A ledger that knows one task, acknowledged as `t1`. */
function withTask() {
  const truth = new Ledger();
  truth.inserting("c0-1", PAYLOAD);
  truth.inserted("c0-1", "t1");
  return truth;
}

function leaseAt(truth: Ledger, retryCount: number, startUs: number) {
  const task = shown({ retry_count: retryCount, leaseTimestamp: String(startUs + SECOND_US) });
  return truth.leased([task], SECOND_US, truth.now())[0]!;
}

describe("Ledger", () => {
  test("Ledger has nothing against a server that keeps its word", () => {
    const truth = withTask();
    truth.restarted([shown()]);
    const held = leaseAt(truth, 1, 5 * SECOND_US);
    truth.restarted([shown({ retry_count: 1, leaseTimestamp: String(held.endUs) })]);
    leaseAt(truth, 2, 6 * SECOND_US);
    truth.deleting("t1");
    truth.deleted("t1");
    truth.restarted([]);
    truth.compareLeases();
    expect(truth.complaints).toEqual([]);
  });

  test("Ledger takes an unanswered insert and an unanswered delete either way, once", () => {
    const truth = new Ledger();
    truth.inserting("c0-1", PAYLOAD);
    truth.restarted([]);
    expect(truth.complaints).toEqual([]);
    truth.restarted([shown()]);
    expect(truth.complaints).toEqual([expect.stringMatching(/was not there after a restart, and now is/)]);

    const other = withTask();
    other.deleting("t1");
    other.restarted([shown()]);
    expect(other.complaints).toEqual([]);
    other.restarted([]);
    expect(other.complaints).toEqual([expect.stringMatching(/acknowledged and is missing/)]);
  });

  test("restarted() complains about a lost, a returned, a doubled and a torn task", () => {
    const lost = withTask();
    lost.restarted([]);
    expect(lost.complaints).toEqual([expect.stringMatching(/was acknowledged and is missing/)]);

    const returned = withTask();
    returned.deleting("t1");
    returned.deleted("t1");
    returned.restarted([shown()]);
    expect(returned.complaints).toEqual([expect.stringMatching(/was deleted and is back/)]);

    const doubled = withTask();
    doubled.restarted([shown(), shown({ id: "t2" })]);
    expect(doubled.complaints).toEqual([
      expect.stringMatching(/there again as t2/),
      expect.stringMatching(/differ/),
    ]);

    const torn = withTask();
    torn.restarted([shown({ payloadBase64: encodePayload(payloadFor("c0-1", Uint8Array.of(1, 2))) })]);
    expect(torn.complaints[0]).toMatch(/torn or unknown payload/);
  });

  test("restarted() complains about a forgotten and a shortened lease", () => {
    const truth = withTask();
    const held = leaseAt(truth, 2, SECOND_US);
    truth.restarted([shown({ retry_count: 1, leaseTimestamp: String(held.endUs) })]);
    truth.restarted([shown({ retry_count: 2, leaseTimestamp: String(held.endUs - 1) })]);
    expect(truth.complaints).toEqual([
      expect.stringMatching(/lease 2 was forgotten/),
      expect.stringMatching(/ends earlier than was acknowledged/),
    ]);
  });

  test("leased() complains about the same lease twice and about a deleted task", () => {
    const truth = withTask();
    leaseAt(truth, 1, SECOND_US);
    leaseAt(truth, 1, SECOND_US);
    truth.deleted("t1");
    leaseAt(truth, 2, 9 * SECOND_US);
    expect(truth.complaints).toEqual([
      expect.stringMatching(/lease 1 was given twice/),
      expect.stringMatching(/leased after its delete/),
    ]);
  });

  test("leased() does not hold a lease against the server that was asked for before the delete", () => {
    const truth = withTask();
    const askedAt = truth.now();
    truth.deleted("t1");
    truth.leased([shown({ retry_count: 1, leaseTimestamp: String(SECOND_US) })], SECOND_US, askedAt);
    expect(truth.complaints).toEqual([]);
  });

  test("compareLeases() complains when one began within another, renewals included", () => {
    const truth = withTask();
    const held = leaseAt(truth, 1, SECOND_US);
    truth.renewed(held, held.endUs + SECOND_US);
    leaseAt(truth, 2, held.endUs);
    truth.compareLeases();
    expect(truth.complaints).toEqual([expect.stringMatching(/lease 2 began 1000 ms before lease 1 ended/)]);
  });

  test("compareLeases() takes a lease that was being given back as ended", () => {
    const truth = withTask();
    truth.releasing(leaseAt(truth, 1, SECOND_US));
    leaseAt(truth, 2, SECOND_US);
    truth.compareLeases();
    expect(truth.complaints).toEqual([]);
  });

  test("refused() complains within the lease only", () => {
    const truth = withTask();
    const held = leaseAt(truth, 1, SECOND_US);
    truth.refused(held, "lease_lost", held.endUs + 1);
    expect(truth.complaints).toEqual([]);
    truth.refused(held, "lease_lost", held.startUs);
    expect(truth.complaints).toEqual([expect.stringMatching(/its holder was refused/)]);
  });
  test("refused() does not complain about a release, which may have been done when its answer was lost", () => {
    const truth = withTask();
    const held = leaseAt(truth, 1, SECOND_US);
    truth.releasing(held);
    truth.refused(held, "lease_lost", held.startUs);
    expect(truth.complaints).toEqual([]);
  });
});
