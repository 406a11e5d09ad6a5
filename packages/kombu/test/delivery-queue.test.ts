import { isClosed } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { settled, storeWith } from "./support.js";

describe("DeliveryQueue", () => {
  test("next() finds what another call has received", async () => {
    const { connect } = storeWith(() => ({}), { numTasks: 15 });
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    const payloads: unknown[] = [];
    for (const body of ["a", "b", "c"]) await queue.put(body);
    const calls = Array.from({ length: 4 }, async () => payloads.push((await queue.get()).payload));
    await settled();
    expect(payloads).toEqual(["a", "b", "c"]);
    await queue.put("d");
    await Promise.all(calls);
    expect(payloads).toEqual(["a", "b", "c", "d"]);
    const waiting = queue.get();
    await queue.close();
    await expect(waiting).rejects.toSatisfy(isClosed);
  });
});
