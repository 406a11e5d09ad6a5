import { storeSuite } from "@pullqueue/core/conformance";
import { describe, test } from "vitest";
import { inProcess, onMemory, onSqlite, overSocket, plainInProcess } from "./support/http-factories.js";

describe("storeSuite() on HTTP in process, on memory", () => {
  storeSuite({ describe, test, factory: inProcess(onMemory) });
});

describe("storeSuite() on HTTP in process, on SQLite", () => {
  storeSuite({ describe, test, factory: inProcess(onSqlite) });
});

describe("storeSuite() on HTTP over a socket, on memory", () => {
  storeSuite({ describe, test, factory: overSocket(onMemory) });
});

describe("storeSuite() on HTTP over a socket, on SQLite", () => {
  storeSuite({ describe, test, factory: overSocket(onSqlite) });
});

describe("storeSuite() on a plain server", () => {
  storeSuite({ describe, test, factory: plainInProcess() });
});
