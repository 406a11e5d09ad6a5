import type { RedisSettings } from "../redis-options.js";
import { topicMatches } from "../routing.js";

/** Where kombu keeps things in Redis: keys, members of bindings, channels. And, beside them, the few that kombu has not. */

/** A queue bound to an exchange, as it is stored. */
export interface StoredBinding {
  readonly routingKey: string;
  /** Kombu's regular expression of a topic; empty for other types. */
  readonly pattern: string;
  readonly queue: string;
}

/** How many of a queue's keys come before its lists. */
const BEFORE_LISTS = 2;

/** Names of keys and channels under one connection's settings. */
export class RedisLayout {
  /** The steps in the order in which their lists are served. */
  readonly steps: readonly number[];
  readonly unacked: string;
  readonly unackedIndex: string;
  readonly #settings: RedisSettings;

  constructor(settings: RedisSettings) {
    const { prioritySteps, urgentFirst, globalKeyprefix, unackedKey, unackedIndexKey } = settings;
    this.steps = urgentFirst === "lowest" ? prioritySteps : prioritySteps.toReversed();
    this.unacked = globalKeyprefix + unackedKey;
    this.unackedIndex = globalKeyprefix + unackedIndexKey;
    this.#settings = settings;
  }

  /** How many keys a group has. */
  get width(): number {
    return BEFORE_LISTS + this.steps.length;
  }

  /** A queue's keys as scripts take them: delayed messages, time to live, and its lists in the order of service. */
  group(queue: string): readonly string[] {
    const { globalKeyprefix, sep } = this.#settings;
    const own = [`${queue}${sep}delayed`, `${queue}${sep}expires`];
    return [...own, ...this.steps.map((step) => this.#list(queue, step))].map((key) => globalKeyprefix + key);
  }

  /** The lists alone. */
  lists(queue: string): readonly string[] {
    return this.group(queue).slice(BEFORE_LISTS);
  }

  /** The step whose list takes a priority: the largest that is not above it. */
  step(priority: number): number {
    return this.#settings.prioritySteps.findLast((step) => step <= priority) ?? 0;
  }

  /** The place of a priority's list within a group. */
  place(priority: number): number {
    return BEFORE_LISTS + this.steps.indexOf(this.step(priority));
  }

  /** The set of an exchange's bindings. */
  bindings(exchange: string): string {
    return `${this.#settings.globalKeyprefix}_kombu.binding.${exchange}`;
  }

  /** The key that remembers a publish. */
  published(idempotencyKey: string): string {
    return `${this.#settings.globalKeyprefix}pullqueue.published.${idempotencyKey}`;
  }

  /** A member of the set of bindings. */
  member(routingKey: string, queue: string, isTopic: boolean): string {
    return [routingKey, isTopic ? topicPattern(routingKey) : "", queue].join(this.#settings.sep);
  }

  /** Reads a member. Undefined for what is none. A separator within key or queue is told from the others where it can be. */
  readMember(member: string): StoredBinding | undefined {
    const { sep } = this.#settings;
    const parts = member.split(sep);
    if (parts.length < 3) return undefined;
    const isPattern = (part: string) => part === "" || (part.startsWith("^") && part.endsWith("$"));
    const middle = Math.max(
      1,
      parts.findIndex((part, at) => at > 0 && at < parts.length - 1 && isPattern(part)),
    );
    return {
      routingKey: parts.slice(0, middle).join(sep),
      pattern: parts[middle]!,
      queue: parts.slice(middle + 1).join(sep),
    };
  }

  /** The channel of a fanout message. */
  channel(exchange: string, routingKey: string): string {
    const { globalKeyprefix, fanoutPrefix, fanoutPatterns } = this.#settings;
    const key = routingKey === "" || !fanoutPatterns ? "" : `/${routingKey}`;
    return `${globalKeyprefix}${fanoutPrefix}${exchange}${key}`;
  }

  /** The glob of all channels of an exchange's messages with a key. */
  keyedChannels(exchange: string): string {
    return `${this.channel(exchange, "").replace(/[\\*?[\]]/g, "\\$&")}/*`;
  }

  #list(queue: string, step: number): string {
    return step === 0 ? queue : `${queue}${this.#settings.sep}${step}`;
  }
}

/** Whether a stored binding takes a key, told without the exchange's type, which kombu does not store: only topics have patterns. */
export function bindingTakes({ pattern, routingKey }: StoredBinding, key: string): boolean {
  return pattern === "" ? routingKey === key : topicMatches(routingKey, key);
}

const WILDCARDS: ReadonlyMap<string, string> = new Map([
  ["*", ".*?[^\\.]"],
  ["#", ".*?"],
]);

/** The regular expression that kombu stores with a topic's binding, letter for letter. Nothing of ours matches with it. */
export function topicPattern(routingKey: string): string {
  const escaped = [...routingKey].map((character) =>
    /[\p{L}\p{N}.#*]/u.test(character) ? character : character === "\0" ? "\\000" : `\\${character}`,
  );
  const words = escaped.join("").split(".");
  return `^${words.map((word) => WILDCARDS.get(word) ?? word).join("\\.")}$`;
}
