import type { BindingDefinition, ExchangeType } from "./definitions.js";
import { KombuError } from "./errors.js";

/** Which queues get a message: AMQP's rules as pure functions, and the table of bindings they are applied to. */

/** The words of a routing key or pattern. The empty key has none. */
function wordsOf(key: string): readonly string[] {
  return key === "" ? [] : key.split(".");
}

/** Whether a topic pattern takes a routing key: `*` is exactly one word, `#` any number of words, also none. */
export function topicMatches(pattern: string, routingKey: string): boolean {
  return wordsMatch(wordsOf(pattern), wordsOf(routingKey));
}

/**
 * Goes along both at once; after a mismatch the last `#` takes one word more. Only the last one can ever need to, so that the
 * time is at most words × words, whatever the pattern.
 */
function wordsMatch(pattern: readonly string[], key: readonly string[]): boolean {
  let p = 0;
  let k = 0;
  let afterHash = -1;
  let taken = 0;
  while (k < key.length) {
    if (pattern[p] === "#") {
      afterHash = ++p;
      taken = k;
    } else if (p < pattern.length && (pattern[p] === "*" || pattern[p] === key[k])) {
      p++;
      k++;
    } else if (afterHash !== -1) {
      p = afterHash;
      k = ++taken;
    } else {
      return false;
    }
  }
  while (pattern[p] === "#") p++;
  return p === pattern.length;
}

/** The queues bound to one exchange with one key; the key is taken apart once. */
interface KeyBindings {
  readonly pattern: readonly string[];
  readonly queues: Map<string, BindingDefinition>;
}

/** The bindings that one transport knows. */
export class BindingTable {
  readonly #exchanges = new Map<string, Map<string, KeyBindings>>();

  /** Adds a binding. Adding it again changes nothing: the arguments of the first stay. */
  add(binding: BindingDefinition): void {
    const { exchange, routingKey, queue } = binding;
    const keys = this.#exchanges.get(exchange) ?? new Map<string, KeyBindings>();
    this.#exchanges.set(exchange, keys);
    const { queues } = keys.get(routingKey) ?? setNew(keys, routingKey);
    if (!queues.has(queue)) queues.set(queue, Object.freeze({ ...binding }));
  }

  /** Takes a binding away; quiet when there is none. */
  remove({ exchange, routingKey, queue }: BindingDefinition): void {
    const keys = this.#exchanges.get(exchange);
    const queues = keys?.get(routingKey)?.queues;
    queues?.delete(queue);
    if (queues?.size === 0) keys?.delete(routingKey);
    if (keys?.size === 0) this.#exchanges.delete(exchange);
  }

  /** Takes away all bindings of an exchange. */
  removeExchange(exchange: string): void {
    this.#exchanges.delete(exchange);
  }

  /** Takes away all bindings of a queue. */
  removeQueue(queue: string): void {
    for (const binding of this.bindings()) if (binding.queue === queue) this.remove(binding);
  }

  /** All bindings, or those of one exchange. */
  bindings(exchange?: string): readonly BindingDefinition[] {
    const tables = exchange === undefined ? [...this.#exchanges.values()] : [this.#exchanges.get(exchange)];
    return tables
      .flatMap((keys) => [...(keys?.values() ?? [])])
      .flatMap(({ queues }) => [...queues.values()]);
  }

  /**
   * The queues that get a message, each once, in the order of binding. The default exchange knows every queue by its name.
   * Throws `not_supported` for exchanges that route by headers.
   */
  lookup(exchange: string, type: ExchangeType, routingKey: string): readonly string[] {
    if (exchange === "") return [routingKey];
    const keys = this.#exchanges.get(exchange);
    switch (type) {
      case "direct":
        return [...(keys?.get(routingKey)?.queues.keys() ?? [])];
      case "fanout":
        return queuesOf([...(keys?.values() ?? [])]);
      case "topic": {
        const words = wordsOf(routingKey);
        return queuesOf([...(keys?.values() ?? [])].filter(({ pattern }) => wordsMatch(pattern, words)));
      }
      case "headers":
        throw new KombuError(
          "not_supported",
          `exchange ${JSON.stringify(exchange)} routes by headers, which only AMQP brokers can; use direct, topic or fanout`,
        );
    }
  }
}

function setNew(keys: Map<string, KeyBindings>, routingKey: string): KeyBindings {
  const created: KeyBindings = { pattern: wordsOf(routingKey), queues: new Map() };
  keys.set(routingKey, created);
  return created;
}

function queuesOf(keys: readonly KeyBindings[]): readonly string[] {
  return [...new Set(keys.flatMap(({ queues }) => [...queues.keys()]))];
}
