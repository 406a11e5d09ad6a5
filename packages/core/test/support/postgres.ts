import { postgresOnManualClock, postgresOnOwnClock } from "@pullqueue/testing/postgres-under-test";
import type { Clock } from "../../src/clock.js";
import { openPostgresStore } from "../../src/stores/postgres.js";

const open = async (url: string, clock?: Clock) => {
  const store = await openPostgresStore({ url, clock, connectionsMax: 5 });
  return { store, close: () => store.close() };
};

/** A fresh PostgreSQL store on the database's own clock. */
export const postgresUnderTest = postgresOnOwnClock(open);

/** A fresh PostgreSQL store on a clock that only moves when told. */
export const postgresWithManualClock = postgresOnManualClock(open);
