import { afterAll, beforeAll, describe, test } from "vitest";
import type { OutageBroker } from "../src/outages/outage-broker.js";
import * as brokers from "../src/outages/outage-brokers.js";
import { isMissing, type ServiceName } from "../src/services.js";
import { acknowledgesLate, livesThrough, startsBefore, waitsLong } from "./support/outage-cases.js";

/** Real brokers go away and come back: nothing is lost, and nothing is doubled beyond what must be. They do it side by side. */

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

interface Row {
  readonly name: string;
  readonly open: () => Promise<OutageBroker>;
  readonly needs?: ServiceName;
}

const ROWS: readonly Row[] = [
  { name: "appengine on SQLite", open: brokers.appEngineOnSqlite },
  { name: "appengine on PostgreSQL", open: brokers.appEngineOnPostgres, needs: "postgres-programs" },
  { name: "postgres", open: brokers.postgres, needs: "postgres-programs" },
  { name: "redis", open: brokers.redis, needs: "redis-server" },
  { name: "amqp", open: brokers.amqp, needs: "rabbitmq-programs" },
  { name: "sqlite", open: brokers.sqlite },
];

for (const { name, open, needs } of ROWS) {
  const isAway = needs !== undefined && isMissing(needs);
  describe.skipIf(isAway)(`${name} that goes away`, { concurrent: true, timeout: 120_000 }, () => {
    let broker: OutageBroker;
    beforeAll(async () => {
      broker = await open();
    }, START_MS);
    afterAll(() => broker?.[Symbol.asyncDispose](), START_MS);

    test.sequential("programs that start before it wait for it, and those with a deadline fail by it", () =>
      startsBefore(name, broker));

    test.sequential("a message that is held over its outage is acknowledged, or comes again", () =>
      acknowledgesLate(name, broker));

    test.sequential("consumers burn nothing in ten seconds, and go on within two of its return", () =>
      waitsLong(name, broker));

    test.sequential("in the middle of publishing, receiving and acknowledging nothing is lost or doubled", async () => {
      for (const manner of broker.manners) await livesThrough(name, broker, manner);
    });
  });
}
