import { describe, expect, test } from "vitest";
import { isMissing } from "../src/services.js";

describe("isMissing()", () => {
  // Without a search path no program is found, whatever this machine has.
  test("isMissing() says so when the service is not there", () => {
    expect(isMissing("strace", { PATH: "" })).toBe(true);
  });

  test("isMissing() throws when services are required", () => {
    expect(() => isMissing("strace", { PATH: "", REQUIRE_SERVICES: "1" })).toThrow(/apt-get install strace/);
  });
});
