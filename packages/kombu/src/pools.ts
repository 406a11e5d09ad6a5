import type { Channel } from "./channel.js";
import { type Check, checkOptions, checkValue, functionCheck, integerCheck, objectCheck } from "./check.js";
import { Connection } from "./connection.js";
import { POOL_LIMIT_MAX, POOLS_LIMIT, TIMEOUT_MS_MAX } from "./limits.js";
import {
  type AcquireOptions,
  CLOSE_CHECKS,
  type PoolOptions,
  RESIZE_CHECKS,
  type ResizeOptions,
} from "./pool-options.js";
import type { Producer, ProducerOptions } from "./producer.js";
import { type Pooled, ResourcePool } from "./resource-pool.js";
import { checkRetryOptions, type RetryOptions } from "./retry.js";
import { closedError } from "./session.js";

/** Connections that go to one place; made by `connection.pool()`. */
export type ConnectionPool = ResourcePool<Connection>;

const poolCheck: Check = {
  expected: "a pool of connections, such as connection.pool()",
  holds: (v) => v instanceof ResourcePool,
};

const connectionCheck: Check = {
  expected: "a Connection",
  holds: (v) => v instanceof Connection,
};

/** Channels of one connection; made by `connection.channelPool()`. */
export type ChannelPool = ResourcePool<Channel>;

/**
 * Producers, each on a connection of a pool for as long as somebody has it. The pool of connections is the only one that has a limit
 * and a row of waiting users, so that nobody can wait for a producer while holding what another needs.
 */
export class ProducerPool {
  /** Closes the connections too; close it when nobody else uses it. */
  readonly connections: ConnectionPool;

  /** Throws `invalid_argument`. */
  constructor(connections: ConnectionPool) {
    this.connections = checkValue("the connections of a producer pool", connections, poolCheck);
  }

  /** A producer on a connection of its own. Errors: those of the pool of connections, and `invalid_argument`. */
  async acquire<In = unknown>(
    options: AcquireOptions & { readonly producer?: ProducerOptions<In> } = {},
  ): Promise<Pooled<Producer<In>>> {
    checkValue("the options of acquire", options, objectCheck);
    const { producer, ...waiting } = options;
    const held = await this.connections.acquire(waiting);
    try {
      const resource = held.resource.producer<In>(producer);
      return {
        resource,
        release: () => held.release(),
        replace: () => held.replace(),
        [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
      };
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  /** Does the work with a producer, and gives its connection back, or replaces that if the work failed with an error of the connection. */
  async use<R, In = unknown>(
    work: (producer: Producer<In>) => Promise<R> | R,
    options: AcquireOptions & { readonly producer?: ProducerOptions<In> } = {},
  ): Promise<R> {
    checkValue("the work of use", work, functionCheck);
    checkValue("the options of use", options, objectCheck);
    const { producer, ...waiting } = options;
    return this.connections.use((connection) => work(connection.producer<In>(producer)), waiting);
  }
}

/**
 * Does work with a connection of a pool and its default channel, and does it again after errors that may pass: kombu's `insured`. The
 * deadline of the options holds from when there is a connection. Errors: those of `acquire`, of `connection.autoretry`, and the work's.
 */
export async function insured<R>(
  pool: ConnectionPool,
  work: (connection: Connection, channel: Channel, signal: AbortSignal) => Promise<R>,
  options: RetryOptions = {},
): Promise<R> {
  checkValue("the pool of insured", pool, poolCheck);
  checkValue("the work of insured", work, functionCheck);
  checkRetryOptions("insured", options);
  const again = (connection: Connection) =>
    connection.autoretry((channel, signal) => work(connection, channel, signal), options);
  return pool.use(again, { signal: options.signal });
}

const OPTION_CHECKS: Readonly<Record<keyof PoolOptions, Check>> = {
  limit: integerCheck(0, POOL_LIMIT_MAX, "connections"),
  timeoutMs: integerCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
};

/**
 * Pools by what their connections are: those that are alike (`connection.isLike`) share one. It is an object of the program's own, so
 * that two parts of a program share pools only if they share this.
 */
export class Pools implements AsyncDisposable {
  readonly #timeoutMs: number | undefined;
  readonly #pools: { readonly connection: Connection; readonly pool: ConnectionPool }[] = [];
  #limit: number;
  #closing: Promise<void> | undefined;

  /** `limit` is each pool's, 10 unless given. Throws `invalid_argument`. */
  constructor(options: PoolOptions = {}) {
    checkOptions("pools", options, OPTION_CHECKS);
    this.#limit = options.limit ?? POOLS_LIMIT;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Most connections of each pool; 0 without a limit. */
  get limit(): number {
    return this.#limit;
  }

  /** The pool of connections like this one, made at first use. The connection itself may be closed. Throws `closed`. */
  connections(connection: Connection): ConnectionPool {
    checkValue("the connection of pools", connection, connectionCheck);
    if (this.#closing !== undefined) throw closedError("pool");
    const known = this.#pools.find((entry) => entry.connection.isLike(connection));
    if (known !== undefined) return known.pool;
    const pool = connection.pool({ limit: this.#limit, timeoutMs: this.#timeoutMs });
    this.#pools.push({ connection, pool });
    return pool;
  }

  /** Producers on the connections of that pool. Throws `closed`. */
  producers(connection: Connection): ProducerPool {
    return new ProducerPool(this.connections(connection));
  }

  /** Another limit for each pool, present and future; 0 for none. Errors: `precondition_failed`, and then no later pool was changed. */
  async setLimit(limit: number, options: ResizeOptions = {}): Promise<void> {
    checkValue("the limit of pools", limit, OPTION_CHECKS.limit);
    checkOptions("setLimit", options, RESIZE_CHECKS);
    for (const { pool } of this.#pools) await pool.resize(limit, options);
    this.#limit = limit;
  }

  /** Closes all connections, those in use too, and forgets the pools. New ones are made at the next use. */
  async reset(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map(({ pool }) => pool.forceCloseAll()));
  }

  /** Closes all pools, each as its own `close`. Idempotent; calls at the same time share one promise. */
  async close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_CHECKS);
    this.#closing ??= Promise.all(this.#pools.splice(0).map(({ pool }) => pool.close(options))).then(
      () => {},
    );
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
