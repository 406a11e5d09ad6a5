import { storeSuite } from "@pullqueue/core/conformance";
import { describe, expect, test } from "vitest";
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

/** What a server without additions cannot do, whatever its client does, by the sentence of the case. */
const BEYOND_PLAIN: Readonly<Record<string, string>> = {
  "lease() gives more payload bytes, or fewer, when asked to": "a lease's size is the server's alone",
  "lease() always gives one task, however large": "a lease's size is the server's alone",
  "lease() serves those who wait in the order in which they came": "who polls first is served first",
  "lease() wakes the next when one who was woken has gone":
    "a task that is given back has used up an attempt",
};

describe("storeSuite() on a plain server", () => {
  const left = new Set(Object.keys(BEYOND_PLAIN));
  storeSuite({
    describe,
    test: (sentence, body) => (left.delete(sentence) ? undefined : test(sentence, body)),
    factory: plainInProcess(),
  });

  test("storeSuite() has each of the cases that are left out here", () => {
    expect([...left]).toEqual([]);
  });
});
