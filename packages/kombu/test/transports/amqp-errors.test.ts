import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CODE_OF_REPLY, fromClientError, fromConnectError } from "../../src/transports/amqp-errors.js";

const DOCUMENT = new URL("../../../../docs/kombu-features.md", import.meta.url);

describe("fromConnectError()", () => {
  it("takes no digits of what was no frame for a reply code", () => {
    const error = new Error("Frame size 540300064 exceeds maxFrameSize 67108864");
    expect(fromConnectError(error, "host:25")).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("does not speak AMQP"),
    });
  });
});

describe("AMQP's reply codes", () => {
  it("docs/kombu-features.md shows the code of each reply", () => {
    const rows = readFileSync(DOCUMENT, "utf8").matchAll(/^\| (\d{3}) .*\| `(\w+)` +\|$/gm);
    expect([...rows].map(([, reply, code]) => [reply, code])).toEqual(Object.entries(CODE_OF_REPLY));
  });

  it.each(Object.entries(CODE_OF_REPLY))("fromClientError() has a word for %s: %s", (reply, code) => {
    const error = Object.assign(new Error("it failed"), { code: Number(reply) });
    expect(fromClientError(error, "declaring")).toMatchObject({
      code,
      message: "declaring: it failed",
      cause: error,
    });
  });

  it("fromClientError() takes a reply that nobody knows for internal", () => {
    expect(fromClientError(Object.assign(new Error("?"), { code: 599 }), "x").code).toBe("internal");
  });
});
