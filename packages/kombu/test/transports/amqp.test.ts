import { transportSuite } from "@pullqueue/kombu/conformance";
import { isMissing } from "@pullqueue/testing";
import { rabbitmqBroker } from "@pullqueue/testing/rabbitmq-broker";
import { type RabbitmqInstance, startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { afterAll, beforeAll, describe, test } from "vitest";
import { resolveConnection } from "../../src/connection-options.js";
import { openTransport } from "../../src/transport-registry.js";

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

describe.skipIf(isMissing("rabbitmq-programs"))("the amqp transport", () => {
  let instance: RabbitmqInstance;
  beforeAll(async () => {
    instance = await startRabbitmqInstance();
  }, START_MS);
  afterAll(() => instance?.[Symbol.asyncDispose](), START_MS);

  transportSuite({
    describe,
    test,
    factory: () =>
      rabbitmqBroker((context, { deadletterQueue }) => {
        const query = deadletterQueue === undefined ? "" : `?deadletterQueue=${deadletterQueue}`;
        return openTransport(resolveConnection(`${instance.url}${query}`), context);
      }),
  });
});
