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
import { RedisBatches } from "./redis-batches.js";
import type { RedisArgument, RedisClient } from "./redis-client.js";
import { priorityOf } from "./redis-item.js";
import type { RedisLayout } from "./redis-layout.js";
import type { RedisLink, RedisSockets } from "./redis-link.js";
import { scoreOf } from "./redis-restorer.js";
import { PUBLISH, runScript, STORE } from "./redis-scripts.js";
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

/** One queue's copy of a message, as the script takes it. */
interface Copy {
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
}

/** An answer of the script for channels that is no number of subscribers. */
const KNOWN = -2;

/** Writes messages: all copies of one in a single step, which happens once however often it is asked for. */
export class RedisPublisher {
  readonly #parts: RedisPublisherParts;
  /** All copies of one message are one item, and so are made together. */
  readonly #copies: RedisBatches<readonly Copy[], undefined>;

  constructor(parts: RedisPublisherParts) {
    this.#parts = parts;
    this.#copies = new RedisBatches({
      run: (client, messages) => this.#storeAll(client, messages.flat()),
      weigh: (copies) => copies.reduce((sum, { args }) => sum + bytesOf(args.at(-1)), 0),
    });
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
    const { topology, settings, warn } = this.#parts;
    const { exchange, routingKey, mandatory } = route;
    let bound = exchange === "" ? [routingKey] : await topology.lookup(exchange, routingKey, sockets);
    if (exchange !== "" && topology.typeOf(exchange) === "fanout") {
      refuseDelay(route);
      const item = this.#item(content, route, hash(route.idempotencyKey, ""));
      const receivers = await this.#handOn(route, item, sockets);
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
    { main }: RedisSockets,
  ): Promise<PublishReceipt> {
    const priority = route.envelope ? priorityOf(content) : 0;
    const copies = queues.map((queue) => this.#copy(content, route, { queue, priority }));
    await this.#copies.add(main, copies);
    return { queues };
  }

  async #storeAll(client: RedisClient, copies: readonly Copy[]): Promise<readonly undefined[]> {
    const args = copies.flatMap((copy) => copy.args);
    await runScript(
      client,
      STORE,
      copies.flatMap(({ keys }) => keys),
      [this.#parts.layout.width, ...args],
    );
    return [];
  }

  /** How many subscribers the channel had; as far as it is known, when it had the message before. */
  async #handOn(route: Route, item: Uint8Array, { main }: RedisSockets): Promise<number> {
    const { layout } = this.#parts;
    const { exchange, routingKey, idempotencyKey } = route;
    const mark = layout.published(hash(idempotencyKey, `fanout/${exchange}`));
    const args = [rememberMs(route), layout.channel(exchange, routingKey), item];
    const answer = Number(await runScript(main, PUBLISH, [mark], args));
    return answer === KNOWN ? 1 : answer;
  }

  /** What the script is told about one queue. */
  #copy(
    content: MessageContent,
    route: Route,
    { queue, priority }: { readonly queue: string; readonly priority: number },
  ): Copy {
    const { layout, time } = this.#parts;
    const { delayMs = 0, idempotencyKey } = route;
    const unique = hash(idempotencyKey, queue);
    const item = this.#item(content, route, unique);
    const keys = [layout.published(unique), ...layout.group(queue)];
    if (delayMs === 0) return { keys, args: [rememberMs(route), layout.place(priority), "", item] };
    const due = scoreOf(time.nowUs() + delayMs * US_PER_MS);
    const member = delayedMember(unique, layout.step(priority), item);
    return { keys, args: [rememberMs(route), 0, due, member] };
  }

  #item(content: MessageContent, { envelope, exchange, routingKey }: Route, unique: string): Uint8Array {
    if (!envelope) return content.body;
    const deliveryTag = newDeliveryTag(this.#parts.time.nowUs(), unique);
    return encodeEnvelope(content, { exchange, routingKey, deliveryTag });
  }
}

/** A message that waits for its time: something that makes it unlike all others, its step, and itself. */
export function delayedMember(unique: string, step: number, item: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${unique}:${step}:`), item]);
}

/** How long it is remembered that a message is there, in milliseconds. */
function rememberMs({ keyChosen }: Route): number {
  return keyChosen === true ? REDIS_REMEMBER_MS : REDIS_REMEMBER_OWN_MS;
}

function bytesOf(item: RedisArgument | undefined): number {
  return item instanceof Uint8Array ? item.byteLength : 0;
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
