import { createHash } from "node:crypto";
import { encodeEnvelope } from "../envelope.js";
import { KombuError } from "../errors.js";
import {
  REDIS_MESSAGE_BYTES_MAX,
  REDIS_PATIENCE_MS,
  REDIS_REMEMBER_MS,
  REDIS_REMEMBER_OWN_MS,
} from "../limits.js";
import type { MessageContent } from "../message-content.js";
import type { RedisSettings } from "../redis-options.js";
import type { PublishReceipt, Route, TransportContext } from "../transport.js";
import { undeliverable, unroutable } from "../unroutable.js";
import type { RedisArgument } from "./redis-client.js";
import { priorityOf } from "./redis-item.js";
import type { RedisLayout } from "./redis-layout.js";
import type { RedisLink, RedisSockets } from "./redis-link.js";
import { scoreOf } from "./redis-restorer.js";
import { PUBLISH, runScript } from "./redis-scripts.js";
import { newDeliveryTag } from "./redis-tags.js";
import type { RedisTime } from "./redis-time.js";
import type { RedisTopology } from "./redis-topology.js";

/** What a publisher is made of. */
export interface RedisPublisherParts {
  readonly link: RedisLink;
  readonly layout: RedisLayout;
  readonly topology: RedisTopology;
  readonly settings: RedisSettings;
  readonly time: RedisTime;
  readonly warn: TransportContext["warn"];
}

const US_PER_MS = 1000;

/** One queue's copy of a message. */
interface Copy {
  readonly queue: string;
  readonly priority: number;
  readonly item: Uint8Array;
}

/** Answers of the script that are no number of subscribers. */
const STORED = -1;
const KNOWN = -2;

/** Writes messages: all copies of one in a single step, which happens once however often it is asked for. */
export class RedisPublisher {
  readonly #parts: RedisPublisherParts;

  constructor(parts: RedisPublisherParts) {
    this.#parts = parts;
  }

  /** Resolves when Redis has the message. While the connection is away it waits, and repeats what is unclear. */
  async publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    refuseTasks(route);
    const size = content.body.byteLength;
    if ((size * 4) / 3 > REDIS_MESSAGE_BYTES_MAX) {
      throw new KombuError(
        "too_large",
        `a message in Redis has at most ${REDIS_MESSAGE_BYTES_MAX} bytes as stored, got a body of ${size}; keep it elsewhere and send its address`,
      );
    }
    const work = (sockets: RedisSockets) => this.#publish(content, route, sockets);
    return this.#parts.link.call(work, { patienceMs: REDIS_PATIENCE_MS, signal });
  }

  async #publish(content: MessageContent, route: Route, sockets: RedisSockets): Promise<PublishReceipt> {
    const { topology, layout, settings, warn } = this.#parts;
    const { exchange, routingKey, mandatory } = route;
    let bound = exchange === "" ? [routingKey] : await topology.lookup(exchange, routingKey, sockets);
    if (exchange !== "" && topology.typeOf(exchange) === "fanout") {
      refuseDelay(route);
      const item = this.#item(content, route, "");
      const receivers = await this.#run(route, [layout.channel(exchange, routingKey), item], [], sockets);
      if (receivers > 0) return { queues: bound };
      bound = [];
    }
    if (bound.length === 0 && mandatory) throw unroutable(route);
    const { deadletterQueue } = settings;
    if (bound.length > 0) return this.#store(content, route, bound, sockets);
    if (deadletterQueue === undefined) return { queues: [] };
    const receipt = await this.#store(content, route, [deadletterQueue], sockets);
    warn?.(undeliverable(route, deadletterQueue));
    return receipt;
  }

  async #store(
    content: MessageContent,
    route: Route,
    queues: readonly string[],
    sockets: RedisSockets,
  ): Promise<PublishReceipt> {
    const priority = route.envelope ? priorityOf(content) : 0;
    const copies = queues.map((queue) => ({ queue, priority, item: this.#item(content, route, queue) }));
    await this.#run(route, ["", ""], copies, sockets);
    return { queues };
  }

  async #run(
    route: Route,
    channelAndItem: readonly RedisArgument[],
    copies: readonly Copy[],
    { main }: RedisSockets,
  ): Promise<number> {
    const { layout } = this.#parts;
    const mark = (target: string) => layout.published(hash(route.idempotencyKey, target));
    const keys =
      copies.length === 0
        ? [mark(`fanout/${route.exchange}`)]
        : copies.flatMap(({ queue }) => [mark(queue), ...layout.group(queue)]);
    const rememberMs = route.keyChosen === true ? REDIS_REMEMBER_MS : REDIS_REMEMBER_OWN_MS;
    const args: readonly RedisArgument[] = [
      ...[rememberMs, layout.width, ...channelAndItem],
      ...copies.flatMap((copy) => this.#copy(copy, route)),
    ];
    const answer = Number(await runScript(main, PUBLISH, keys, args));
    // Who repeats what was done gets the answer of then, as far as it is known.
    return answer === STORED || answer === KNOWN ? 1 : answer;
  }

  /** What the script is told about one queue. */
  #copy({ queue, item, priority }: Copy, { delayMs = 0, idempotencyKey }: Route): readonly RedisArgument[] {
    const { layout, time } = this.#parts;
    if (delayMs === 0) return [layout.place(priority), "", item];
    const due = scoreOf(time.nowUs() + delayMs * US_PER_MS);
    return [0, due, delayedMember(hash(idempotencyKey, queue), layout.step(priority), item)];
  }

  #item(content: MessageContent, route: Route, queue: string): Uint8Array {
    if (!route.envelope) return content.body;
    const { exchange, routingKey, idempotencyKey } = route;
    const deliveryTag = newDeliveryTag(this.#parts.time.nowUs(), hash(idempotencyKey, queue));
    return encodeEnvelope(content, { exchange, routingKey, deliveryTag });
  }
}

/** A message that waits for its time: something that makes it unlike all others, its step, and itself. */
export function delayedMember(unique: string, step: number, item: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${unique}:${step}:`), item]);
}

/** Different for each queue's copy, the same for each repetition. */
function hash(idempotencyKey: string, queue: string): string {
  return createHash("sha256").update(`${idempotencyKey}/${queue}`).digest("hex");
}

function refuseTasks({ tag, taskId }: Route): void {
  if (tag === undefined && taskId === undefined) return;
  throw new KombuError(
    "not_supported",
    "Redis has messages, not tasks, so that there is no tag and no taskId; use headers, and idempotencyKey against doubles",
  );
}

function refuseDelay({ exchange, delayMs = 0 }: Route): void {
  if (delayMs === 0) return;
  throw new KombuError(
    "not_supported",
    `fanout exchange ${JSON.stringify(exchange)} cannot delay: Redis hands its messages on and keeps none; publish later, or use a direct exchange`,
  );
}
