import { newUuid } from "@pullqueue/core";
import { booleanCheck, checkValue, keyCheck, objectCheck, queueNameCheck } from "./check.js";
import { Exchange } from "./exchange.js";
import { Queue, type QueueOptions } from "./queue.js";

/** What else is known about a broadcast queue. */
export interface BroadcastOptions<In = unknown, Out = In> extends QueueOptions<In, Out> {
  /** The queue's name. Default: `bcast.` and a UUID, so that each process has a queue, and with it each message, of its own. */
  readonly queue?: string;
  /** Append a UUID to `queue` too. Default false. */
  readonly unique?: boolean;
}

/** Those with a UUID in their names. Entities are frozen as soon as they are made. */
const unique = new WeakSet<object>();

/** Whether nobody else can know the queue's name, so that it is of no use after whoever declared it. */
export function isUniqueBroadcast(entity: object): boolean {
  return unique.has(entity);
}

/**
 * A queue that gets all messages of a fanout exchange, beside those of others: every consumer gets a copy. It goes with its last
 * consumer where brokers can do that (see the capability matrix), and elsewhere, if nobody else can know its name, with the channel that
 * declared it; what was published before it was declared it does not get.
 *
 *     connection.consumer(new Broadcast("news")); connection.producer({ exchange: new Exchange("news", "fanout") });
 */
export class Broadcast<In = unknown, Out = In> extends Queue<In, Out> {
  /** `name` is the exchange's, and the queue's alias. Throws `invalid_argument`. */
  constructor(name: string, options: BroadcastOptions<In, Out> = {}) {
    checkValue("the exchange of a broadcast", name, keyCheck);
    checkValue("the options of a broadcast", options, objectCheck);
    const { queue = "bcast", unique: isAsked = false, ...others } = options;
    checkValue("unique", isAsked, booleanCheck);
    checkValue("the queue of a broadcast", queue, queueNameCheck);
    const isUnique = isAsked || options.queue === undefined;
    super(isUnique ? `${queue}.${newUuid()}` : queue, {
      ...{ autoDelete: true, alias: name, exchange: new Exchange(name, "fanout") },
      ...others,
    });
    if (isUnique) unique.add(this);
  }
}
