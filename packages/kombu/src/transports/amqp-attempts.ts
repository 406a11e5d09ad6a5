import { countOf } from "../count-of.js";
import type { MessageContent } from "../message-content.js";

/**
 * Classic queues do not count deliveries. A message that is given back with its attempt counted is published to its queue again, with
 * this header, and only then acknowledged. It tells the count, the queue that it holds for, and what the message was published to.
 */
const ATTEMPTS = "x-pullqueue-attempts";

/** What the header says. */
export interface CountedAttempts {
  /** How often handlers started before. */
  readonly count: number;
  readonly exchange: string;
  readonly routingKey: string;
}

/** Takes the header away from a message that was read. Counts of another queue are forgotten: here it is new. */
export function takeAttempts(
  content: MessageContent,
  queue: string,
): { readonly content: MessageContent; readonly counted: CountedAttempts | undefined } {
  const { [ATTEMPTS]: said, ...headers } = content.headers;
  if (said === undefined) return { content, counted: undefined };
  const own = { ...content, headers };
  if (typeof said !== "object" || said === null) return { content: own, counted: undefined };
  const { count, queue: of, exchange, "routing-key": routingKey } = said as Readonly<Record<string, unknown>>;
  const isRight = countOf(count) > 0 && typeof exchange === "string" && typeof routingKey === "string";
  return {
    content: own,
    counted: isRight && of === queue ? { count: countOf(count), exchange, routingKey } : undefined,
  };
}

/** The headers of the message that is published again. */
export function withAttempts(
  headers: MessageContent["headers"],
  queue: string,
  { count, exchange, routingKey }: CountedAttempts,
): MessageContent["headers"] {
  return { ...headers, [ATTEMPTS]: { count, queue, exchange, "routing-key": routingKey } };
}
