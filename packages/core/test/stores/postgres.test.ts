import { isMissing } from "@pullqueue/testing";
import { dropSchemas } from "@pullqueue/testing/postgres-under-test";
import { afterAll, describe, test } from "vitest";
import { storeSuite } from "../../src/conformance/index.js";
import { postgresWithManualClock } from "../support/postgres.js";

afterAll(dropSchemas);

describe.skipIf(isMissing("postgres"))("openPostgresStore()", () => {
  storeSuite({ describe, test, factory: postgresWithManualClock });
});
