import { KombuError } from "./errors.js";
import type { Topology } from "./transport.js";

/** A topology in which one exchange can feed another. */
export type ExchangeBinder = Topology & Required<Pick<Topology, "bindExchange" | "unbindExchange">>;

/** The same topology. Error: `not_supported` where its broker cannot do that. */
export function exchangeBinder(topology: Topology): ExchangeBinder {
  if (topology.bindExchange !== undefined && topology.unbindExchange !== undefined) {
    return topology as ExchangeBinder;
  }
  const text = "this transport cannot bind an exchange to another; bind the queues to both exchanges";
  throw new KombuError("not_supported", text);
}
