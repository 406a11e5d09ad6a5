import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  checkContract,
  checkOptions,
  checkValue,
  clockCheck,
  functionCheck,
  keyCheck,
} from "./check.js";
import { isKombuError, KombuError } from "./errors.js";
import { POOL_TIMEOUT_MS } from "./limits.js";
import {
  ACQUIRE_CHECKS,
  type AcquireOptions,
  CLOSE_CHECKS,
  POOL_CHECKS,
  type PoolOptions,
  RESIZE_CHECKS,
  type ResizeOptions,
} from "./pool-options.js";
import { closedError } from "./session.js";
import { inTime, linkSignals, Notifier, orAbort } from "./waiting.js";

/** A resource of a pool, in one user's hands until it is released, replaced or disposed of. */
export interface Pooled<T> extends AsyncDisposable {
  readonly resource: T;
  /** Gives it back. Nothing happens the second time. */
  release(): Promise<void>;
  /** Gives it back because it is broken: it is closed, and the next user gets another. */
  replace(): Promise<void>;
}

/** What a pool does with its resources. */
export interface ResourceKind<T> {
  /** In an error: `connection`. */
  readonly name: string;
  readonly clock: Clock;
  readonly create: () => Promise<T> | T;
  readonly close: (resource: T) => Promise<void>;
  /** Before each user gets one. When it fails, the resource is closed and its user gets the error. */
  readonly prepare?: (resource: T) => Promise<void>;
  /** Whether another user can have it. Default: yes. */
  readonly isUsable?: (resource: T) => boolean;
}

/** Room for one resource: with an idle one, or to make one. */
interface Slot<T> {
  readonly idle: T | undefined;
}

const KIND_CHECKS: Readonly<Record<keyof ResourceKind<unknown>, Check>> = {
  name: keyCheck,
  clock: clockCheck,
  create: functionCheck,
  close: functionCheck,
  prepare: functionCheck,
  isUsable: functionCheck,
};

const US_PER_MS = 1000;

/**
 * A bounded number of resources for any number of users. Users wait in a row, first come first served; of idle resources the one
 * that came back last is used first, so that the others may rest. A resource counts from before it is made until it is closed.
 *
 *     idle <──> held ──> closing      (no pool keeps what `isUsable` denies)
 */
export class ResourcePool<T> implements AsyncDisposable {
  readonly #kind: ResourceKind<T>;
  readonly #timeoutMs: number;
  readonly #idle: T[] = [];
  readonly #held = new Set<Held<T>>();
  /** In the order in which they came. */
  readonly #waiting = new Set<(slot: Slot<T>) => void>();
  readonly #stop = new AbortController();
  readonly #freed: Notifier;
  #limit: number;
  /** Resources that are not idle: being made, held, being closed. */
  #taken = 0;
  /** Of these, those being closed: they leave room for others when they are, but are no reason to close more. */
  #going = 0;
  /** What was made before the last reset is not kept. */
  #generation = 0;
  #closing: Promise<void> | undefined;

  /** Throws `invalid_argument`. */
  constructor(kind: ResourceKind<T>, options: PoolOptions = {}) {
    checkContract("the kind of a resource pool", kind, KIND_CHECKS, ["name", "clock", "create", "close"]);
    checkOptions(`a pool of ${kind.name}s`, options, POOL_CHECKS);
    this.#kind = kind;
    this.#limit = boundOf(options.limit);
    this.#timeoutMs = options.timeoutMs ?? POOL_TIMEOUT_MS;
    this.#freed = new Notifier(kind.clock);
    setMaxListeners(0, this.#stop.signal); // Each user that waits listens.
  }

  /** Most resources at the same time; undefined without a limit. */
  get limit(): number | undefined {
    return Number.isFinite(this.#limit) ? this.#limit : undefined;
  }

  /** How many there are: idle, in use, being opened or closed. */
  get size(): number {
    return this.#taken + this.#idle.length;
  }

  /** How many are in users' hands. */
  get inUse(): number {
    return this.#held.size;
  }

  /** How many users wait for one. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * A resource, waited for if the limit is reached. Errors: `resource_exhausted` when none came back in time (kombu's
   * LimitExceeded), `timeout` when one could not be made in time, `closed`, the signal's reason, and what making one says.
   */
  async acquire(options: AcquireOptions = {}): Promise<Pooled<T>> {
    checkOptions("acquire", options, ACQUIRE_CHECKS);
    const { timeoutMs = this.#timeoutMs, signal } = options;
    this.#stop.signal.throwIfAborted();
    signal?.throwIfAborted();
    let slot = this.#take();
    if (slot === undefined && timeoutMs === 0) throw this.#exhausted(0);
    const link = linkSignals(this.#stop.signal, signal);
    // Without time to wait for others there is still some to make one.
    const limit = {
      timeoutMs: timeoutMs === 0 ? this.#timeoutMs : timeoutMs,
      signal: link.signal,
      late: (ms: number) => (slot === undefined ? this.#exhausted(ms) : this.#late(ms)),
    };
    try {
      return await inTime(this.#kind.clock, limit, async (either) => {
        slot ??= await this.#wait(either!);
        return await this.#fill(slot, either!);
      });
    } finally {
      link.end();
    }
  }

  /**
   * Does the work with a resource and gives it back. Where the work fails with an error of the connection (`unavailable`, `closed`, `unauthenticated`,
   * `internal`), the resource is replaced.
   */
  async use<R>(work: (resource: T) => Promise<R> | R, options: AcquireOptions = {}): Promise<R> {
    checkValue("the work of use", work, functionCheck);
    const held = await this.acquire(options);
    try {
      const result = await work(held.resource);
      await held.release();
      return result;
    } catch (error) {
      await (isConnectionFailure(error) ? held.replace() : held.release());
      throw error;
    }
  }

  /** Another limit; 0 for none. Resolves when idle resources beyond it are closed. Errors: `precondition_failed`, `closed`. */
  async resize(limit: number, options: ResizeOptions = {}): Promise<void> {
    checkValue(`the limit of a pool of ${this.#kind.name}s`, limit, POOL_CHECKS.limit);
    checkOptions("resize", options, RESIZE_CHECKS);
    const { force = false, reset = false } = options;
    this.#stop.signal.throwIfAborted();
    const bound = boundOf(limit);
    if (this.#taken > bound && !force) throw this.#tooMany(limit);
    this.#limit = bound;
    if (reset) this.#generation += 1;
    const surplus = reset ? this.#idle.length : Math.max(0, this.size - this.#going - bound);
    const closings = this.#idle.splice(0, surplus).map((resource) => this.#drop(resource));
    this.#grant();
    await Promise.all(closings);
  }

  /**
   * Closes all resources at once, also those in use, whose users notice by errors. By default the pool with them; otherwise it makes
   * new ones.
   */
  async forceCloseAll(options: { readonly closePool?: boolean } = {}): Promise<void> {
    checkOptions("forceCloseAll", options, { closePool: booleanCheck });
    const { closePool = true } = options;
    if (closePool) this.#stop.abort(closedError("pool"));
    this.#generation += 1;
    await Promise.all([
      ...this.#idle.splice(0).map((resource) => this.#drop(resource)),
      ...[...this.#held].map((held) => held.replace()),
    ]);
  }

  /**
   * Ends those who wait with `closed`, waits until what is in use has come back, for `timeoutMs` at most (default 30 000), and closes
   * everything. Idempotent; calls at the same time share one promise.
   */
  close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_CHECKS);
    this.#closing ??= this.#close(options.timeoutMs ?? POOL_TIMEOUT_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#stop.abort(closedError("pool"));
    const untilUs = this.#kind.clock.nowUs() + timeoutMs * US_PER_MS;
    const dropped = await Promise.allSettled(this.#idle.splice(0).map((resource) => this.#drop(resource)));
    for (let leftMs = timeoutMs; leftMs > 0 && this.#taken > 0; ) {
      await this.#freed.wait(leftMs);
      leftMs = (untilUs - this.#kind.clock.nowUs()) / US_PER_MS;
    }
    await this.forceCloseAll();
    for (const outcome of dropped) if (outcome.status === "rejected") throw outcome.reason;
  }

  get #isOver(): boolean {
    return this.size - this.#going > this.#limit;
  }

  #take(): Slot<T> | undefined {
    if (this.#taken >= this.#limit) return undefined;
    this.#taken += 1;
    return { idle: this.#idle.pop() };
  }

  #wait(signal: AbortSignal): Promise<Slot<T>> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      const leave = () => {
        this.#waiting.delete(resolve);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Who waits longest gets what is free, here and now, so that nobody who comes later is before him. */
  #grant(): void {
    for (const grant of this.#waiting) {
      const slot = this.#take();
      if (slot === undefined) return;
      this.#waiting.delete(grant);
      grant(slot);
    }
  }

  async #fill(slot: Slot<T>, signal: AbortSignal): Promise<Pooled<T>> {
    const generation = this.#generation;
    const filling = this.#make(slot);
    try {
      const resource = await orAbort(filling, signal);
      const held: Held<T> = new Held(resource, (broken) => {
        this.#held.delete(held);
        return this.#giveBack(resource, broken || generation !== this.#generation);
      });
      this.#held.add(held);
      return held;
    } catch (error) {
      // Too late for this user, but there all the same; its slot is free when it is idle or closed.
      const late = (resource: T) => this.#giveBack(resource, generation !== this.#generation);
      filling.then(late, () => this.#free()).catch(() => {}); // Nobody is there to be told.
      throw error;
    }
  }

  async #make({ idle }: Slot<T>): Promise<T> {
    const { isUsable = () => true, prepare, create, close } = this.#kind;
    if (idle !== undefined && !isUsable(idle)) {
      await close(idle).catch(() => {}); // It is broken, so that closing may fail.
      idle = undefined;
    }
    const resource = idle ?? (await create());
    try {
      await prepare?.(resource);
      return resource;
    } catch (error) {
      await close(resource).catch(() => {}); // What it could not be prepared for is the error.
      throw error;
    }
  }

  async #giveBack(resource: T, broken: boolean): Promise<void> {
    const isUsable = this.#kind.isUsable?.(resource) ?? true;
    const isKept =
      !broken && isUsable && Number.isFinite(this.#limit) && !this.#isOver && !this.#stop.signal.aborted;
    try {
      if (isKept) this.#idle.push(resource);
      else await this.#end(resource);
    } catch (error) {
      if (!broken) throw error; // Closing what is broken may fail.
    } finally {
      this.#free();
    }
  }

  /** Closes an idle resource, which is counted until it is closed. */
  async #drop(resource: T): Promise<void> {
    this.#taken += 1;
    try {
      await this.#end(resource);
    } finally {
      this.#free();
    }
  }

  async #end(resource: T): Promise<void> {
    this.#going += 1;
    try {
      await this.#kind.close(resource);
    } finally {
      this.#going -= 1;
    }
  }

  #free(): void {
    this.#taken -= 1;
    this.#grant();
    this.#freed.notify();
  }

  #exhausted(timeoutMs: number): KombuError {
    const { name } = this.#kind;
    const when = timeoutMs === 0 ? "none was asked to wait for" : `none came back within ${timeoutMs} ms`;
    return new KombuError(
      "resource_exhausted",
      `all ${this.#limit} ${name}s of the pool are in use and ${when} (timeoutMs); release them sooner, wait longer, or raise the limit`,
    );
  }

  #late(timeoutMs: number): KombuError {
    return new KombuError(
      "timeout",
      `a ${this.#kind.name} could not be made ready within ${timeoutMs} ms (timeoutMs); see whether its broker is there, or wait longer`,
    );
  }

  #tooMany(limit: number): KombuError {
    return new KombuError(
      "precondition_failed",
      `${this.#taken} ${this.#kind.name}s of the pool are in use, so that it cannot shrink to ${limit}; release some first, or give force: true`,
    );
  }
}

/** One user's hold on a resource: what ends it the first time is what counts. */
class Held<T> implements Pooled<T> {
  readonly resource: T;
  readonly #giveBack: (broken: boolean) => Promise<void>;
  #ending: Promise<void> | undefined;

  constructor(resource: T, giveBack: (broken: boolean) => Promise<void>) {
    this.resource = resource;
    this.#giveBack = giveBack;
  }

  release(): Promise<void> {
    return this.#end(false);
  }

  replace(): Promise<void> {
    return this.#end(true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end(false);
  }

  #end(broken: boolean): Promise<void> {
    this.#ending ??= this.#giveBack(broken);
    return this.#ending;
  }
}

function boundOf(limit: number | undefined): number {
  return limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

/** Whether a call failed in a way after which the connection is better not used by others. */
function isConnectionFailure(error: unknown): boolean {
  return ["unavailable", "closed", "unauthenticated", "internal"].some(
    (code) => isKombuError(error) && error.code === code,
  );
}
