import { describe, expect, test } from "vitest";
import { Connection, type Queue } from "../src/index.js";

describe("Consumer()", () => {
  test.each([
    ["jobs", 'a consumer\'s queue must be a Queue, such as new Queue("jobs"), got "jobs"'],
    [["jobs"], 'a consumer\'s queue must be a Queue, such as new Queue("jobs"), got "jobs"'],
    [undefined, 'a consumer\'s queue must be a Queue, such as new Queue("jobs"), got nothing'],
    [[], "the queues of a consumer must be at least one Queue, got an array of 0"],
  ])("Consumer() refuses the queues %j and says which is none", async (queues, message) => {
    await using connection = new Connection("memory://");
    expect(() => connection.consumer(queues as unknown as Queue[])).toThrow(
      expect.objectContaining({ code: "invalid_argument", message }),
    );
  });
});
