import { describe, expect, test } from "vitest";
import { storeWith } from "./support.js";

describe("Message", () => {
  test.each([-1, Number.NaN, "5", 604_800_001])(
    "requeue() refuses the delay %s and keeps the message",
    async (delayMs) => {
      await using connection = storeWith().connect();
      const queue = connection.simpleQueue("q");
      await queue.put("hi");
      const message = await queue.get();
      const requeuing = message.requeue({ delayMs: delayMs as number });
      await expect(requeuing).rejects.toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining("delayMs"),
      });
      await message.ack();
    },
  );
});
