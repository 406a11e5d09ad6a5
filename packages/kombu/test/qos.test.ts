import { QoS } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";

function qosOf(initialValue?: number, maxPrefetch?: number) {
  const applied: number[] = [];
  const qos = new QoS(({ prefetchCount }) => void applied.push(prefetchCount), initialValue, maxPrefetch);
  return { qos, applied };
}

describe("QoS", () => {
  test("applies what was changed once, by update()", () => {
    const { qos, applied } = qosOf(10);
    expect([qos.incrementEventually(), qos.incrementEventually(3), qos.decrementEventually()]).toEqual([
      11, 14, 13,
    ]);
    expect([applied, qos.prev]).toEqual([[], undefined]);
    qos.update();
    qos.update();
    expect([applied, qos.prev, qos.value]).toEqual([[13], 13, 13]);
  });

  test("never comes below 1 or above its maximum, and no limit stays none", () => {
    const { qos } = qosOf(2, 4);
    expect([qos.decrementEventually(5), qos.incrementEventually(10)]).toEqual([1, 4]);
    const { qos: unlimited } = qosOf();
    expect([unlimited.incrementEventually(5), unlimited.decrementEventually()]).toEqual([0, 0]);
  });

  test("above what AMQP can count there is no limit, with a warning", () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { qos, applied } = qosOf(65_535);
    qos.incrementEventually();
    qos.update();
    expect([applied, qos.prev, warn.mock.calls.length]).toEqual([[0], 65_536, 1]);
    qos.decrementEventually();
    qos.update();
    expect(applied).toEqual([0, 65_535]);
    warn.mockRestore();
  });
});
