import { type ManualClock, manualClock } from "@pullqueue/core";
import { Connection, type ConnectionOptions } from "@pullqueue/kombu";
import type { BrokerUnderTest } from "@pullqueue/kombu/conformance";

/** Lease of the connections under test, in milliseconds. */
export const LEASE_MS = 60_000;

/** Turns of the event loop that whatever a turned clock fired may take, sockets not included. */
const TURNS = 12;

/** Lets whatever has become due come to its end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate);
}

/** A broker whose connections are made from options, on a clock that is turned by hand. */
export async function brokerOf(
  options: (clock: ManualClock, holdMsMax: number | undefined) => ConnectionOptions,
  close: () => Promise<void> | void = () => {},
): Promise<BrokerUnderTest> {
  const clock = manualClock();
  const connections: Connection[] = [];
  const connect = ({ holdMsMax }: { readonly holdMsMax?: number } = {}) => {
    const connection = new Connection(options(clock, holdMsMax));
    connections.push(connection);
    return connection;
  };
  // The first one stays, because a memory broker goes with its last connection.
  const own = connect();
  await own.channel();
  return {
    connect,
    leaseMs: LEASE_MS,
    manualClock: true,
    anyQueueName: true,
    async advance(ms) {
      clock.advance(ms);
      await settle();
    },
    async putRaw(queue, bytes) {
      await own.producer({ routingKey: queue, envelope: "raw" }).publish(bytes);
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
      await close();
    },
  };
}
