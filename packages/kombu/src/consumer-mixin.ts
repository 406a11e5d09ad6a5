import { randomFraction } from "@pullqueue/core";
import { backoffMs } from "./backoff.js";
import type { Channel } from "./channel.js";
import { booleanCheck, type Check, checkOptions, checkValue } from "./check.js";
import { Connection } from "./connection.js";
import { Consumer } from "./consumer.js";
import type { ConsumerOptions, PayloadOf, RunOptions } from "./consumer-options.js";
import { isMendable, KombuError } from "./errors.js";
import { GracefulStop, graceCheck, type StopOptions } from "./graceful-stop.js";
import {
  RECONNECT_BACKOFF,
  WORKER_END_MS,
  WORKER_GRACE_MS,
  WORKER_ITERATION_MS,
  WORKER_RESTARTS_PER_SECOND,
} from "./limits.js";
import type { Message } from "./message.js";
import { onStopSignals } from "./process-signals.js";
import type { Producer } from "./producer.js";
import type { Queue } from "./queue.js";
import { TokenBucket } from "./token-bucket.js";
import { orAbort, pause } from "./waiting.js";
import { failureWarnings } from "./warnings.js";

/** Makes a consumer on the worker's channel, with the worker's `onDecodeError`. */
export type ConsumerFactory = <Q extends Queue, T = PayloadOf<Q>>(
  queues: Q | readonly Q[],
  options?: ConsumerOptions<T>,
) => Consumer<T>;

/** How a worker ends. */
export interface ConsumerMixinOptions {
  /** How long running handlers may go on after the stop, in milliseconds. Default 20 seconds. */
  readonly graceMs?: number | undefined;
  /** How long they may then take to end after `message.signal` told them, in milliseconds. Default 5 seconds. */
  readonly endMs?: number | undefined;
  /** SIGTERM and SIGINT stop it as `stop()` does, a second one at once. Default false: signals are the program's. */
  readonly handleSignals?: boolean | undefined;
}

/** The steps of a stop, as `work` needs them. */
export type WorkSignals = Pick<GracefulStop, "stopping" | "interrupting">;

/** What a worker's options must be. */
export const MIXIN_CHECKS: Readonly<Record<keyof ConsumerMixinOptions, Check>> = {
  graceMs: graceCheck,
  endMs: graceCheck,
  handleSignals: booleanCheck,
};

const connectionCheck: Check = {
  expected: "a Connection",
  holds: (v) => v instanceof Connection,
};

const consumersCheck: Check = {
  expected: "an array of Consumers",
  holds: (v) => Array.isArray(v) && v.every((one) => one instanceof Consumer),
};

/**
 * A program that consumes until it is stopped: kombu's ConsumerMixin and ConsumerProducerMixin. Extend it with `getConsumers`, whose
 * callbacks settle their messages; the other methods are hooks. `Worker` is the same for one handler.
 *
 * The connection given is only a pattern: consumers have a clone of it and `producer` another, because a broker that slows down
 * those who publish would else hold up acknowledgements too.
 *
 *     round: connect ─> onConnectionRevived ─> getConsumers ─> extraContext ─> onConsumeReady ─> work ─> onConsumeEnd ─> close
 *       ^                                        │ error that time may mend: onConnectionError, pause
 *       └────────────────────────────────────────┘ any other error, or more than connectMaxRetries in a row: `run` rejects
 */
export abstract class ConsumerMixin implements AsyncDisposable {
  readonly connection: Connection;
  /** How often in a row it may fail to begin before `run` rejects. Default: for ever. */
  connectMaxRetries: number | undefined = undefined;
  readonly #stop: GracefulStop;
  readonly #handleSignals: boolean;
  readonly #restartLimit: TokenBucket;
  #running: Promise<void> | undefined;
  readonly #warn = failureWarnings();
  #failures = 0;
  #producerConnection: Connection | undefined;
  #producer: Producer | undefined;

  /** Throws `invalid_argument`. Nothing is opened until `run`. */
  constructor(connection: Connection, options: ConsumerMixinOptions = {}) {
    this.connection = checkValue("a worker's connection", connection, connectionCheck);
    checkOptions("a worker", options, MIXIN_CHECKS);
    const { clock } = connection;
    const { graceMs = WORKER_GRACE_MS, endMs = WORKER_END_MS, handleSignals = false } = options;
    this.#stop = new GracefulStop(clock, { graceMs, endMs });
    this.#handleSignals = handleSignals;
    this.#restartLimit = new TokenBucket(WORKER_RESTARTS_PER_SECOND, 1, clock);
  }

  /** Its consumers, made anew in each round; with `consumer` or of any channel of `channel`'s connection. */
  abstract getConsumers(
    consumer: ConsumerFactory,
    channel: Channel,
    connection: Connection,
  ): readonly Consumer[] | Promise<readonly Consumer[]>;

  /** Called when there is a connection, in each round. */
  onConnectionRevived(): unknown {
    return undefined;
  }

  /** Called when a round could not begin or broke off; the next begins after `intervalMs`. Default: a process warning. */
  onConnectionError(error: unknown, intervalMs: number): unknown {
    const text = `the worker's connection failed, trying again in ${intervalMs} ms: ${textOf(error)}`;
    return process.emitWarning(text);
  }

  /** Called when all consumers are started. */
  onConsumeReady(_connection: Connection, _channel: Channel, _consumers: readonly Consumer[]): unknown {
    return undefined;
  }

  /** Called when a round's consumers have ended, before its connection is closed. */
  onConsumeEnd(_connection: Connection, _channel: Channel): unknown {
    return undefined;
  }

  /** Called when consumers are started, and once a second while they are. What it throws ends `run`. */
  onIteration(): unknown {
    return undefined;
  }

  /** Called with a message that cannot be decoded. Default, as in kombu: a process warning, and the message is acknowledged. */
  async onDecodeError(message: Message, error: unknown): Promise<unknown> {
    process.emitWarning(`message ${message.deliveryTag} is dropped: ${textOf(error)}`);
    return message.ack();
  }

  /**
   * Told of every failure of callbacks, acknowledgements and, while consumers run, the broker, and when the message comes again, where it
   * does, in milliseconds. Default: a process warning, once for each queue and text.
   */
  onError(error: unknown, message?: Message, againInMs?: number): unknown {
    return this.#warn(error, message, againInMs);
  }

  /** Something that is open while a round's consumers are; disposed of before `onConsumeEnd`. */
  extraContext(
    _connection: Connection,
    _channel: Channel,
  ): AsyncDisposable | Disposable | undefined | Promise<AsyncDisposable | Disposable | undefined> {
    return undefined;
  }

  /** The connection of a round. Default: a clone of the one given. */
  createConnection(): Connection {
    return this.connection.clone();
  }

  /** Whether it has been told to stop. Setting it is `stop` without waiting. */
  get shouldStop(): boolean {
    return this.#stop.stopping.aborted;
  }

  set shouldStop(value: boolean) {
    if (value) this.#stop.begin();
  }

  /** A connection for publishing, made at first use and closed when `run` ends. */
  get producerConnection(): Connection {
    this.#producerConnection ??= this.connection.clone();
    return this.#producerConnection;
  }

  /** For replies and results: on `producerConnection`. */
  get producer(): Producer {
    this.#producer ??= this.producerConnection.producer();
    return this.#producer;
  }

  /**
   * Works until `stop`, once; calls share one promise. Outages only delay it. Rejects with an error that trying again would not
   * mend (`invalid_argument`, `precondition_failed`, `permission_denied`, …), and what hooks throw.
   */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /**
   * Receives nothing more, gives back at once what nobody has begun with, and resolves when running handlers have ended and all is
   * closed. After `graceMs` they are told by `message.signal`, after `endMs` more their messages are given back without them. Never
   * rejects, but for wrong options: what went wrong is for `run`.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#stop.begin(options);
    this.#running ??= Promise.resolve();
    await this.#running.catch(() => {}); // Whoever called `run` has it.
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Works on messages until the stop. `signals` are its steps. */
  protected async work(consumers: readonly Consumer[], signals: WorkSignals): Promise<void> {
    const { stopping: signal, interrupting: interruptSignal } = signals;
    const onError: RunOptions["onError"] = (...failure) => void this.onError(...failure);
    await Promise.all(
      consumers.map((consumer) => consumer.runCallbacks({ signal, interruptSignal, onError })),
    );
  }

  async #run(): Promise<void> {
    const ignoreSignals = this.#handleSignals ? onStopSignals(this.#stop) : undefined;
    try {
      await this.#rounds().finally(() => this.#producerConnection?.close());
    } finally {
      this.#stop.end();
      ignoreSignals?.();
    }
  }

  async #rounds(): Promise<void> {
    const { stopping } = this.#stop;
    while (!stopping.aborted) {
      await this.#restartLimit.consume(1, { signal: stopping }).catch(() => {}); // Looked at by #round.
      await this.#round().catch((error: unknown) => this.#recover(error));
    }
  }

  async #round(): Promise<void> {
    const { stopping, interrupting } = this.#stop;
    if (stopping.aborted) return;
    const connection = this.createConnection();
    const interrupt = () => connection.interrupt(interrupting.reason);
    interrupting.addEventListener("abort", interrupt);
    try {
      // Each failure is told at once; the first use alone would wait for a minute without a word.
      await connection.connect({ signal: stopping });
      const channel = await connection.channel();
      await this.onConnectionRevived();
      await this.#consume(connection, channel);
    } finally {
      interrupting.removeEventListener("abort", interrupt);
      await connection.close();
    }
  }

  async #consume(connection: Connection, channel: Channel): Promise<void> {
    const { stopping } = this.#stop;
    const onDecodeError = (message: Message, error: unknown) => this.onDecodeError(message, error);
    const factory: ConsumerFactory = (queues, options) =>
      new Consumer(channel, queues, { onDecodeError, ...options });
    const consumers = checkValue(
      "what getConsumers gives",
      await this.getConsumers(factory, channel, connection),
      consumersCheck,
    );
    for (const consumer of consumers) await consumer.consume({ signal: stopping });
    {
      await using _context = disposable(await this.extraContext(connection, channel));
      await this.onConsumeReady(connection, channel, consumers);
      this.#failures = 0;
      await this.#untilStopped(consumers);
    }
    await this.onConsumeEnd(connection, channel);
  }

  async #untilStopped(consumers: readonly Consumer[]): Promise<void> {
    const { stopping, abandoning } = this.#stop;
    try {
      await orAbort(Promise.all([this.work(consumers, this.#stop), this.#iterate()]), abandoning);
    } catch (error) {
      if (!abandoning.aborted || error !== abandoning.reason) throw error;
      this.onError(abandonedError(stopping.reason));
    }
  }

  async #iterate(): Promise<void> {
    const { stopping } = this.#stop;
    while (!stopping.aborted) {
      await this.onIteration();
      await pause(this.connection.clock, WORKER_ITERATION_MS, stopping).catch(() => {}); // The loop looks itself.
    }
  }

  /** Pauses before the next round, or throws what another one would not mend. */
  async #recover(error: unknown): Promise<void> {
    const { stopping } = this.#stop;
    if (stopping.aborted && error === stopping.reason) return;
    this.#failures += 1;
    const { connectMaxRetries = Number.POSITIVE_INFINITY } = this;
    if (!isMendable(error) || this.#failures > connectMaxRetries) throw error;
    const intervalMs = backoffMs(this.#failures, RECONNECT_BACKOFF, randomFraction());
    await this.onConnectionError(error, intervalMs);
    await pause(this.connection.clock, intervalMs, stopping).catch(() => {}); // The loop looks itself.
  }
}

/** What disposes of a thing that may have nothing to dispose of. */
function disposable(context: AsyncDisposable | Disposable | undefined): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      if (context === undefined) return;
      if (Symbol.asyncDispose in context) await context[Symbol.asyncDispose]();
      else context[Symbol.dispose]();
    },
  };
}

function abandonedError(cause: unknown): KombuError {
  return new KombuError(
    "timeout",
    "handlers did not end within graceMs and endMs of the stop; what they hold is given back, and they are not waited for",
    { cause },
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
