import { isDeepStrictEqual } from "node:util";
import type { ExchangeDefinition, QueueDefinition } from "../definitions.js";
import { KombuError } from "../errors.js";

/** What may be declared on brokers that are not AMQP's, whoever keeps the declarations. */

/** What AMQP has beforehand: the default exchange, and names that it keeps to itself. */
export function isGiven(exchange: string): boolean {
  return exchange === "" || exchange.startsWith("amq.");
}

/** Arguments of a queue that would throw messages away. */
const REFUSED_ARGUMENTS: readonly string[] = ["x-max-length", "x-max-length-bytes"];

/** Throws `not_supported` for an exchange that routes by headers, and `precondition_failed` for another definition than the known one. */
export function checkExchange(exchange: ExchangeDefinition, known: ExchangeDefinition | undefined): void {
  const what = `exchange ${JSON.stringify(exchange.name)}`;
  if (exchange.type === "headers") {
    throw new KombuError(
      "not_supported",
      `${what} routes by headers, which only AMQP brokers can; use direct, topic or fanout`,
    );
  }
  refuseOther(what, known, exchange);
}

/** Throws `precondition_failed` for another definition than the known one, and `not_supported` for arguments that would throw messages away. */
export function checkQueue(queue: QueueDefinition, known: QueueDefinition | undefined): void {
  const what = `queue ${JSON.stringify(queue.name)}`;
  refuseOther(what, known, queue);
  const refused = REFUSED_ARGUMENTS.find((argument) => queue.arguments[argument] !== undefined);
  if (refused === undefined) return;
  throw new KombuError(
    "not_supported",
    `${what} has ${refused}, but this transport never throws messages away; leave it out`,
  );
}

function refuseOther(what: string, known: object | undefined, given: object): void {
  if (known === undefined || isDeepStrictEqual({ ...known }, { ...given })) return;
  throw new KombuError(
    "precondition_failed",
    `${what} was declared as ${JSON.stringify(known)}; it cannot become ${JSON.stringify(given)}. Declare it the same way, or delete it first`,
  );
}
