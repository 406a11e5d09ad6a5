import { describe, expect, test } from "vitest";
import { parseStoreAddress } from "../src/store-address.js";

describe("parseStoreAddress()", () => {
  test.each([
    ["memory:", { kind: "memory", name: "" }],
    ["memory://", { kind: "memory", name: "" }],
    ["memory://orders%20and%20bills", { kind: "memory", name: "orders and bills" }],
    ["sqlite:tasks.db", { kind: "sqlite", path: "tasks.db" }],
    ["sqlite:./some where/100%.db", { kind: "sqlite", path: "./some where/100%.db" }],
    ["sqlite:/var/lib/tasks.db", { kind: "sqlite", path: "/var/lib/tasks.db" }],
    ["sqlite:///var/lib/my%20tasks.db", { kind: "sqlite", path: "/var/lib/my tasks.db" }],
    ["postgres://host/database", { kind: "postgres", url: "postgres://host/database" }],
    ["postgresql://host/database", { kind: "postgres", url: "postgresql://host/database" }],
  ])("reads %s", (text, address) => {
    expect(parseStoreAddress(text)).toEqual(address);
  });

  test.each([
    "",
    "tasks.db",
    "memory",
    "memory:name",
    "sqlite:",
    "sqlite:///%",
    "postgres:x",
    "redis://host",
  ])("refuses %j, naming what it takes", (text) => {
    expect(() => parseStoreAddress(text)).toThrow(
      expect.objectContaining({
        code: "invalid_argument",
        location: "store",
        message: expect.stringContaining("sqlite:relative.db"),
      }),
    );
  });

  test("explains the slashes of an SQLite address", () => {
    expect(() => parseStoreAddress("sqlite://tasks.db")).toThrow("an absolute SQLite path has three slashes");
  });

  test("never repeats what may hold a password", () => {
    expect(() => parseStoreAddress("mysql://root:secret@host/")).toThrow(/got mysql:$/);
  });
});
