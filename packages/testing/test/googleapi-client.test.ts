import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { startServerProcess } from "../src/server-process.js";
import { isMissing } from "../src/services.js";

const PROGRAM = fileURLToPath(new URL("fixtures/googleapi-client.py", import.meta.url));

describe.skipIf(isMissing("python3-googleapi"))("Google's Python client", () => {
  test("BatchHttpRequest inserts, renews and deletes in batches, each call with its own outcome", async () => {
    await using server = await startServerProcess();
    const { code, stdout, stderr } = await runProgram("/usr/bin/python3", [PROGRAM, server.url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      inserted: { "with a + and ä": "eA==", "2": "eQ==", "without payload": 400 },
      leased: 2,
      listed: 2,
      renewed: [1, 1],
      deleted: ["", ""],
      many: 1000,
    });
  });
});
