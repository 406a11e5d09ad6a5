import { checkValue, functionCheck, integerCheck } from "./check.js";
import { PREFETCH_MAX } from "./limits.js";

const countCheck = integerCheck(0, Number.MAX_SAFE_INTEGER, "messages");

/**
 * A prefetch count that is changed now and applied later, by `update`: for programs that hold messages back and need room for others
 * meanwhile.
 *
 *     const qos = new QoS((settings) => consumer.qos(settings), 10);
 */
export class QoS {
  readonly #apply: (settings: { readonly prefetchCount: number }) => unknown;
  readonly #max: number;
  #value: number;
  #applied: number | undefined;

  /** `maxPrefetch`: most that increments lead to; default: no limit. An initial value of 0 is no limit, and stays so. */
  constructor(
    apply: (settings: { readonly prefetchCount: number }) => unknown,
    initialValue = 0,
    maxPrefetch?: number,
  ) {
    this.#apply = checkValue("the callback of QoS", apply, functionCheck);
    this.#value = checkValue("initialValue", initialValue, countCheck);
    this.#max = checkValue(
      "maxPrefetch",
      maxPrefetch === undefined ? Number.MAX_SAFE_INTEGER : maxPrefetch,
      countCheck,
    );
  }

  /** What `update` applies; 0 is no limit. */
  get value(): number {
    return this.#value;
  }

  /** What was applied last; undefined before the first time. */
  get prev(): number | undefined {
    return this.#applied;
  }

  /** Room for more. Returns the new value. */
  incrementEventually(count = 1): number {
    checkValue("count", count, countCheck);
    if (this.#value > 0) this.#value = Math.min(Math.max(this.#max, this.#value), this.#value + count);
    return this.#value;
  }

  /** Room for fewer, at least 1. Returns the new value. */
  decrementEventually(count = 1): number {
    checkValue("count", count, countCheck);
    if (this.#value > 0) this.#value = Math.max(1, this.#value - count);
    return this.#value;
  }

  /** Applies a count, unless it is applied. More than 65535 is no limit, with a process warning: AMQP counts in 16 bits. */
  set(prefetchCount: number): number {
    checkValue("prefetchCount", prefetchCount, countCheck);
    if (prefetchCount === this.#applied) return prefetchCount;
    const isTooMany = prefetchCount > PREFETCH_MAX;
    if (isTooMany)
      process.emitWarning(`a prefetch count of ${prefetchCount} is over ${PREFETCH_MAX}: no limit holds`);
    this.#apply({ prefetchCount: isTooMany ? 0 : prefetchCount });
    this.#applied = prefetchCount;
    return prefetchCount;
  }

  /** Applies the value. */
  update(): number {
    return this.set(this.#value);
  }
}
