import { describe, test } from "vitest";
import { storeSuite } from "../../src/conformance/index.js";
import { sqliteFactory } from "./support.js";

describe("storeSuite() on the SQLite store", () => {
  storeSuite({ describe, test, factory: sqliteFactory() });
});
