import {
  type Clock,
  DEFAULT_QUEUE_SETTINGS,
  handlerClient,
  type ManualClock,
  manualClock,
  openHttpStore,
  openMemoryStore,
  systemClock,
} from "@pullqueue/core";
import { type TransportContext, VirtualTransport } from "@pullqueue/kombu";
import { type BrokerFactory, QUEUE_NAMES, transportSuite } from "@pullqueue/kombu/conformance";
import { createHandler, loadConfig, type RunningServer, startServer } from "@pullqueue/server";
import { describe, test } from "vitest";
import { brokerOf, LEASE_MS } from "../src/brokers.js";
import { type OpenBehind, onMemory, onSqlite, plainHandler } from "./support/http-factories.js";

const PROJECT = "my-project";

const LEASE = { leaseMs: LEASE_MS, pollingIntervalMs: 1000, numTasks: undefined, holdMsMax: undefined };

/** Real time for a call over a loopback socket, in milliseconds. */
const ROUND_TRIP_MS = 10;

/** The transport as programs use it: a server on a socket, found by its address, and time as it comes. */
function asProgramsDo(openBehind: OpenBehind): BrokerFactory {
  return async () => {
    const { server, close } = await startOn(openBehind);
    return brokerOf({
      clock: "system",
      target: (options) => ({
        transport: "appengine",
        transportOptions: {
          ...{ endpoint: server.url, projectName: PROJECT, leaseMs: LEASE_MS },
          ...options,
        },
      }),
      close,
    });
  };
}

/** The same with a clock that is turned: the server's, and that of connections. What crosses the socket takes real time. */
function onTurnedClock(openBehind: OpenBehind): BrokerFactory {
  return async () => {
    const clock = manualClock();
    const { server, close } = await startOn(openBehind, clock);
    const open = (deadletterQueue: string | undefined) => async (context: TransportContext) =>
      new VirtualTransport({
        store: openHttpStore({ endpoint: server.url }),
        ...{ name: "appengine", project: PROJECT, context, lease: { ...LEASE, deadletterQueue } },
      });
    return brokerOf({
      ...{ clock, roundTripMs: ROUND_TRIP_MS, close },
      target: ({ deadletterQueue, ...options }) => ({ transport: open(deadletterQueue), ...options }),
    });
  };
}

async function startOn(
  openBehind: OpenBehind,
  clock: Clock = systemClock(),
): Promise<{ readonly server: RunningServer; readonly close: () => Promise<void> }> {
  const { store, remove } = await openBehind(clock);
  const config = await loadConfig({ flags: { port: "0", logLevel: "silent" }, env: {} });
  const server = await startServer(config, { store, clock });
  const close = async () => {
    await server.close();
    remove?.();
  };
  return { server, close };
}

/** A clock that is a microsecond later each time one looks: tasks whose ids a client chose keep their order by their times. */
function ticking(clock: ManualClock): ManualClock {
  let ticks = 0;
  return { ...clock, nowUs: () => clock.nowUs() + ticks++ };
}

/** A server that has v1beta2 and nothing else, called in process. */
function onPlainServer(): BrokerFactory {
  return async () => {
    const clock = ticking(manualClock());
    const store = openMemoryStore({ clock });
    for (const queue of QUEUE_NAMES)
      await store.putQueue({ project: PROJECT, queue }, DEFAULT_QUEUE_SETTINGS);
    const handler = plainHandler(createHandler({ store, clock }));
    const open = (deadletterQueue: string | undefined) => async (context: TransportContext) =>
      new VirtualTransport({
        store: openHttpStore({ client: handlerClient(handler, { clock }), clock }),
        ...{ name: "plain", project: PROJECT, context, lease: { ...LEASE, deadletterQueue } },
      });
    return brokerOf({
      ...{ clock, plain: true },
      target: ({ deadletterQueue, ...options }) => ({ transport: open(deadletterQueue), ...options }),
      close: () => store.close(),
    });
  };
}

describe("the appengine transport, as programs use it", () => {
  transportSuite({ describe, test, factory: asProgramsDo(onSqlite) });
});

describe("the appengine transport, on a clock that is turned", () => {
  transportSuite({ describe, test, factory: onTurnedClock(onMemory) });
});

describe("a virtual transport on a plain server", () => {
  transportSuite({ describe, test, factory: onPlainServer() });
});
