import { KombuError } from "./errors.js";
import type { Route } from "./transport.js";

/** What a producer gets whose mandatory message no queue takes. */
export function unroutable(route: Route): KombuError {
  return new KombuError(
    "unroutable",
    `${nothingBound(route)}; declare and bind one first, or publish without mandatory`,
  );
}

/** The warning about a message that went to the connection's dead-letter queue instead. */
export function undeliverable(route: Route, deadletterQueue: string): KombuError {
  return new KombuError(
    "unroutable",
    `${nothingBound(route)}, so that the message went to the deadletterQueue ${JSON.stringify(deadletterQueue)}`,
  );
}

function nothingBound({ exchange, routingKey }: Route): string {
  return `no queue is bound to exchange ${JSON.stringify(exchange)} for the routing key ${JSON.stringify(routingKey)}`;
}
