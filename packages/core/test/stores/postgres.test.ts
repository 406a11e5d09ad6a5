import { isMissing } from "@pullqueue/testing";
import { afterAll, describe, test } from "vitest";
import { storeSuite } from "../../src/conformance/index.js";
import { dropSchemas, postgresOnManualClock } from "../support/postgres.js";

afterAll(dropSchemas);

describe.skipIf(isMissing("postgres"))("openPostgresStore()", () => {
  storeSuite({ describe, test, factory: postgresOnManualClock });
});
