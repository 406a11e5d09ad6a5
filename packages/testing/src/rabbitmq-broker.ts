import { systemClock } from "@pullqueue/core";
import { Connection, type Transport, type TransportContext, type TransportOpener } from "@pullqueue/kombu";
import type { BrokerUnderTest, ConnectOptions } from "@pullqueue/kombu/conformance";

/**
 * A RabbitMQ for one case of the transport suite: what connections declare is removed at its end, because a virtual host of its
 * own takes longer than the case. `open` opens a transport to it.
 */
export async function rabbitmqBroker(
  open: (context: TransportContext, options: ConnectOptions) => Promise<Transport>,
): Promise<BrokerUnderTest> {
  const connections: Connection[] = [];
  const queues = new Set<string>();
  const exchanges = new Set<string>();
  const connect = ({ onWarning, ...options }: ConnectOptions = {}) => {
    const transport: TransportOpener = async (context) =>
      recording(await open(context, options), queues, exchanges);
    const extras = onWarning === undefined ? {} : { onWarning };
    const connection = new Connection({ transport, clock: systemClock(), ...extras });
    connections.push(connection);
    return connection;
  };
  return {
    connect,
    leaseMs: undefined,
    manualClock: false,
    anyQueueName: true,
    managesQueues: true,
    uncounted: false,
    userId: "guest",
    async advance() {
      throw new Error("only a clock that is turned by hand can be turned");
    },
    async putRaw(queue, bytes) {
      await connect().producer({ routingKey: queue, envelope: "raw" }).publish(bytes);
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
      const { topology, close } = bound(await open({ clock: systemClock(), random: () => 0 }, {}));
      for (const queue of queues) await topology.deleteQueue(queue);
      for (const exchange of exchanges) await topology.deleteExchange(exchange);
      await close();
    },
  };
}

function bound(transport: Transport) {
  return { topology: transport.topology, close: () => transport.close() };
}

/** The same transport, which notes what is declared through it. */
function recording(transport: Transport, queues: Set<string>, exchanges: Set<string>): Transport {
  const { topology } = transport;
  const { declareQueue, declareExchange } = topology;
  topology.declareQueue = (queue, ...others) => {
    queues.add(queue.name);
    return declareQueue.call(topology, queue, ...others);
  };
  topology.declareExchange = (exchange, ...others) => {
    exchanges.add(exchange.name);
    return declareExchange.call(topology, exchange, ...others);
  };
  return transport;
}
