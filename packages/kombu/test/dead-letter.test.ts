import { describe, expect, it } from "vitest";
import { type Death, sendDeadLetter } from "../src/dead-letter.js";
import { DEATHS_MAX } from "../src/limits.js";
import type { MessageContent } from "../src/message-content.js";
import type { Delivery, Route } from "../src/transport.js";

/** What is published when a message of the queue `q` with these headers dies. */
async function letterOf(headers: MessageContent["headers"], death: Partial<Death> = {}, taskId = "1") {
  const sent: { content: MessageContent; route: Route }[] = [];
  const publish = async (content: MessageContent, route: Route) => {
    sent.push({ content, route });
    return { queues: ["dead"] };
  };
  const content = { body: new Uint8Array(), headers, properties: {}, raw: false };
  const info = { queue: "q", exchange: "e", routingKey: "k", taskId };
  const target = { exchange: "", routingKey: "dead" };
  const delivery = { content, info } as unknown as Delivery;
  await sendDeadLetter({ publish }, delivery, { target, reason: "rejected", time: 1, ...death });
  return sent[0]!;
}

const death = (reason: string, queue: string, count = 1) => ({
  ...{ count, reason, queue, time: 0, exchange: "e", "routing-keys": ["k"] },
});

describe("sendDeadLetter()", () => {
  it("counts by queue and reason, the latest first", async () => {
    const before = [death("expired", "q", 3), death("rejected", "other"), death("rejected", "q", 2)];
    const { content } = await letterOf({ "x-death": before });
    expect(content.headers["x-death"]).toMatchObject([
      { reason: "rejected", queue: "q", count: 3 },
      { reason: "expired", queue: "q", count: 3 },
      { reason: "rejected", queue: "other", count: 1 },
    ]);
  });

  it("keeps a bounded number of deaths", async () => {
    const before = Array.from({ length: DEATHS_MAX + 5 }, (_, index) => death("rejected", `q${index}`));
    const { content } = await letterOf({ "x-death": before });
    expect(content.headers["x-death"]).toHaveLength(DEATHS_MAX);
  });

  it("forgets how often the old queue delivered it, and keeps other headers", async () => {
    const { content } = await letterOf({ redelivered: true, "x-delivery-count": 4, mine: 1 });
    expect(Object.keys(content.headers).filter((name) => !name.includes("death"))).toEqual(["mine"]);
  });

  it("has one key for one death of one task, and others for others", async () => {
    const keyOf = async (...given: Parameters<typeof letterOf>) =>
      (await letterOf(...given)).route.idempotencyKey;
    const key = await keyOf({});
    expect(await keyOf({})).toBe(key);
    const again = { "x-death": [death("rejected", "q")] };
    const others = [keyOf({}, {}, "2"), keyOf({}, { reason: "expired" }), keyOf(again)];
    expect(new Set([key, ...(await Promise.all(others))]).size).toBe(4);
  });
});
