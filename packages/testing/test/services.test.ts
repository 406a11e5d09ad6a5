import { describe, expect, test } from "vitest";
import { isMissing } from "../src/services.js";

describe("isMissing()", () => {
  // Without a search path no program is found, whatever this machine has.
  test("isMissing() says so when the service is not there", () => {
    const said: string[] = [];
    expect(isMissing("strace", { PATH: "" }, (line) => said.push(line))).toBe(true);
    expect(said).toEqual([expect.stringMatching(/^left out: .* strace\. .*apt-get install strace\n$/)]);
  });

  test("isMissing() throws when services are required", () => {
    expect(() => isMissing("strace", { PATH: "", REQUIRE_SERVICES: "1" })).toThrow(/apt-get install strace/);
  });
});
