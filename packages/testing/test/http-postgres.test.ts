import { type Clock, handlerClient, openHttpStore, systemClock } from "@pullqueue/core";
import { storeSuite } from "@pullqueue/core/conformance";
import { openPostgresStore } from "@pullqueue/core/stores/postgres";
import { createHandler } from "@pullqueue/server";
import { afterAll, describe, test } from "vitest";
import { dropSchemas, postgresOnManualClock } from "../src/postgres-under-test.js";
import { isMissing } from "../src/services.js";

afterAll(dropSchemas);

async function overHttp(url: string, clock: Clock = systemClock()) {
  const behind = await openPostgresStore({ url, clock, connectionsMax: 5 });
  const handler = createHandler({ store: behind, clock });
  const store = openHttpStore({ client: handlerClient(handler) });
  await store.ready();
  return {
    store,
    close: async () => {
      await store.close();
      await behind.close();
    },
  };
}

describe.skipIf(isMissing("postgres"))("storeSuite() on HTTP in process, on PostgreSQL", () => {
  storeSuite({ describe, test, factory: postgresOnManualClock(overHttp) });
});
