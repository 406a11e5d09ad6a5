import { handlerClient, manualClock, openHttpStore, openMemoryStore } from "@pullqueue/core";
import { type TransportContext, VirtualTransport } from "@pullqueue/kombu";
import { type BrokerFactory, transportSuite } from "@pullqueue/kombu/conformance";
import { createHandler, loadConfig, startServer } from "@pullqueue/server";
import { describe, test } from "vitest";
import { brokerOf, LEASE_MS } from "../src/brokers.js";
import { type OpenBehind, onMemory, onSqlite, plainHandler } from "./support/http-factories.js";

/** Real time for a call over a loopback socket, in milliseconds. */
const ROUND_TRIP_MS = 10;

/** The transport as programs use it: a server on a socket, found by its address. */
function overSocket(openBehind: OpenBehind): BrokerFactory {
  return async () => {
    const clock = manualClock();
    const { store, remove } = await openBehind(clock);
    const config = await loadConfig({ flags: { port: "0", logLevel: "silent" }, env: {} });
    const server = await startServer(config, { store, clock });
    return brokerOf({
      clock,
      roundTripMs: ROUND_TRIP_MS,
      target: (_clock, holdMsMax) => ({
        transport: "appengine",
        transportOptions: {
          ...{ endpoint: server.url, projectName: "my-project", leaseMs: LEASE_MS },
          ...(holdMsMax === undefined ? {} : { holdMsMax }),
        },
      }),
      close: async () => {
        await server.close();
        remove?.();
      },
    });
  };
}

/** A server that has v1beta2 and nothing else, called in process. */
function onPlainServer(): BrokerFactory {
  return async () => {
    const clock = manualClock();
    const store = openMemoryStore({ clock });
    const handler = plainHandler(createHandler({ store, clock }));
    const open = async (context: TransportContext) =>
      new VirtualTransport({
        store: openHttpStore({ client: handlerClient(handler, { clock }), clock }),
        ...{ name: "plain", project: "my-project", context },
        lease: { leaseMs: LEASE_MS, pollingIntervalMs: 1000, numTasks: undefined, holdMsMax: undefined },
      });
    return brokerOf({
      ...{ clock, anyQueueName: false },
      target: (_clock, holdMsMax) => ({ transport: open, ...(holdMsMax === undefined ? {} : { holdMsMax }) }),
      close: () => store.close(),
    });
  };
}

describe("the appengine transport, on a server on memory", () => {
  transportSuite({ describe, test, factory: overSocket(onMemory) });
});

describe("the appengine transport, on a server on SQLite", () => {
  transportSuite({ describe, test, factory: overSocket(onSqlite) });
});

describe("a virtual transport on a plain server", () => {
  transportSuite({ describe, test, factory: onPlainServer() });
});
