import { type ManualClock, manualClock } from "@pullqueue/core";
import { Connection, type ConnectionTarget, Queue } from "@pullqueue/kombu";
import type { BrokerUnderTest, ConnectOptions } from "@pullqueue/kombu/conformance";

/** Brokers for the transport suite, on clocks that are turned by hand. */

/** Lease of the connections under test, in milliseconds. */
export const LEASE_MS = 60_000;

/** Turns of the event loop in which whatever a turned clock fired comes to its end. */
const TURNS = 12;

/** Options of a transport that cases ask for. */
export type TargetOptions = Pick<ConnectOptions, "holdMsMax" | "deadletterQueue">;

/** What a broker under test is made of. */
export interface BrokerParts {
  /** Where each connection goes. */
  readonly target: (options: TargetOptions) => ConnectionTarget;
  /** Default: one of the broker's own; whoever shares it with a server gives the server's. `system` runs by itself. */
  readonly clock?: ManualClock | "system";
  /** A server that has v1beta2 and nothing else: queues are there beforehand, and attempts are all counted. Default false. */
  readonly plain?: boolean;
  /** Real time that a call over a socket may take, in milliseconds. Default: none. */
  readonly roundTripMs?: number;
  /** Default: purging the queue, which with stores removes held messages too. */
  readonly takeAway?: NonNullable<BrokerUnderTest["takeAway"]>;
  readonly close?: () => Promise<void> | void;
}

/** A broker for one case of the transport suite. */
export async function brokerOf(parts: BrokerParts): Promise<BrokerUnderTest> {
  const { clock = manualClock(), plain = false, roundTripMs = 0 } = parts;
  const connections: Connection[] = [];
  const connect = ({ onWarning, ...options }: ConnectOptions = {}) => {
    const extras = onWarning === undefined ? {} : { onWarning };
    const own = clock === "system" ? extras : { ...extras, clock };
    const connection = new Connection(parts.target(options), own);
    connections.push(connection);
    return connection;
  };
  // The first one stays, because a memory broker goes with its last connection.
  const own = connect();
  await own.channel();
  return {
    connect,
    leaseMs: LEASE_MS,
    manualClock: clock !== "system",
    anyQueueName: !plain,
    managesQueues: !plain,
    uncounted: !plain,
    takeAway:
      parts.takeAway ??
      (async (queue) => {
        await new Queue(queue).bind(await own.channel()).purge();
      }),
    async advance(ms) {
      if (clock === "system") throw new Error("only a clock that is turned by hand can be turned");
      clock.advance(ms);
      await settle(roundTripMs);
    },
    async putRaw(queue, bytes) {
      await own.producer({ routingKey: queue, envelope: "raw" }).publish(bytes);
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
      await parts.close?.();
    },
  };
}

/** A foreign socket gives no signal when all that is under way has arrived, so that time is all there is. */
async function settle(roundTripMs: number): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate);
  if (roundTripMs > 0) await new Promise((resolve) => setTimeout(resolve, roundTripMs));
}
