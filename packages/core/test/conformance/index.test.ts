import { describe, test } from "vitest";
import { storeSuite, wrappedStore } from "../../src/conformance/index.js";
import { memoryFactory } from "./support.js";

describe("storeSuite() on the memory store", () => {
  storeSuite({ describe, test, factory: memoryFactory() });
});

describe("storeSuite() on a wrapper that does nothing", () => {
  storeSuite({ describe, test, factory: memoryFactory(wrappedStore) });
});
