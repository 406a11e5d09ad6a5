import { describe, expect, test, vi } from "vitest";
import { MessageLedger, type SeenDelivery } from "../../src/cluster/message-ledger.js";

const held = new AbortController().signal;

function delivery(retryCount: number, signal = held): SeenDelivery {
  return { key: "m1", retryCount, signal };
}

function withMessage(): MessageLedger {
  const ledger = new MessageLedger();
  ledger.publishing("m1");
  ledger.published("m1");
  return ledger;
}

describe("MessageLedger", () => {
  test("a message that is handled again after its lease was lost is fine", () => {
    const ledger = withMessage();
    const first = delivery(1, AbortSignal.abort());
    ledger.began(first);
    ledger.began(delivery(2));
    ledger.ended(first);
    ledger.settled(delivery(2));
    expect(ledger.complaints).toEqual([]);
    expect(ledger.outstanding).toBe(0);
    expect(ledger.acknowledged).toBe(1);
  });

  test("a message that was published and not acknowledged is outstanding", () => {
    const ledger = withMessage();
    ledger.publishing("m2");
    expect(ledger.outstanding).toBe(1);
  });

  test("a message whose acknowledgement nobody answered may be gone, until it comes again", () => {
    const ledger = withMessage();
    ledger.began(delivery(1));
    ledger.unclear(delivery(1));
    ledger.ended(delivery(1));
    expect(ledger.outstanding).toBe(0);
    ledger.began(delivery(2, AbortSignal.abort()));
    expect(ledger.outstanding).toBe(1);
    // An answer that stays away says nothing once the message has come again.
    ledger.unclear(delivery(1));
    expect(ledger.outstanding).toBe(1);
    expect(ledger.complaints).toEqual([]);
  });

  test("began() complains about two holders at once, unless one is told in a moment", () => {
    vi.useFakeTimers();
    try {
      const ledger = withMessage();
      const told = new AbortController();
      ledger.began(delivery(1, told.signal));
      ledger.began(delivery(2));
      told.abort();
      vi.advanceTimersByTime(1_000);
      expect(ledger.complaints).toEqual([]);
      ledger.began(delivery(3));
      vi.advanceTimersByTime(1_000);
      expect(ledger.complaints).toEqual(["m1: leases 2 and 3 are held at once"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("began() complains about a lease that was given twice, and about strangers", () => {
    const ledger = withMessage();
    const first = delivery(1);
    ledger.began(first);
    ledger.ended(first);
    ledger.began(delivery(1));
    ledger.began({ ...first, key: "m3" });
    expect(ledger.complaints).toEqual(["m1: lease 1 was delivered twice", "m3: nobody published it"]);
  });

  test("began() complains about a lease that was given after the acknowledgement, not about one before", () => {
    const ledger = withMessage();
    ledger.settled(delivery(2));
    ledger.began(delivery(1, AbortSignal.abort()));
    expect(ledger.complaints).toEqual([]);
    ledger.began(delivery(3));
    expect(ledger.complaints).toEqual(["m1: lease 3 came after it was acknowledged under 2"]);
  });

  test("settled() complains about a second acknowledgement", () => {
    const ledger = withMessage();
    ledger.settled(delivery(1));
    ledger.settled(delivery(2));
    expect(ledger.complaints).toEqual(["m1: was acknowledged twice"]);
  });
});
