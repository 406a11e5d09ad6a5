import type { Channel } from "./channel.js";
import { type Check, checkOptions, functionCheck, integerCheck } from "./check.js";
import type { Connection } from "./connection.js";
import { Consumer } from "./consumer.js";
import {
  type ConsumerFactory,
  ConsumerMixin,
  type ConsumerMixinOptions,
  MIXIN_CHECKS,
  type WorkSignals,
} from "./consumer-mixin.js";
import {
  CONSUMER_CHECKS,
  type ConsumerOptions,
  checkAccept,
  type PayloadOf,
  RUN_CHECKS,
  type RunOptions,
} from "./consumer-options.js";
import type { MessageHandler } from "./consumer-run.js";
import type { Message } from "./message.js";
import { Queue } from "./queue.js";

/** Of `run`'s options those that a worker takes; it has signals of its own. */
type WorkOptions = Omit<RunOptions, "signal" | "interruptSignal">;

/** Of a consumer's options those that a worker takes; it has a handler instead of callbacks. */
type QueueReadingOptions<T> = Omit<ConsumerOptions<T>, "callbacks" | "onMessage">;

/** What a worker works on, and how. */
export interface WorkerOptions<Q extends Queue = Queue, T = PayloadOf<Q>>
  extends ConsumerMixinOptions,
    WorkOptions,
    QueueReadingOptions<T> {
  readonly queues: Q | readonly Q[];
  /** Handles a message. Returning acknowledges it, throwing gives it back after a pause; it may settle the message itself instead. */
  readonly handler: MessageHandler<T>;
  /** How often in a row it may fail to begin before `run` rejects. Default: for ever. */
  readonly connectMaxRetries?: number | undefined;
}

const { signal: _signal, interruptSignal: _interruptSignal, ...WORK_CHECKS } = RUN_CHECKS;
const { callbacks: _callbacks, onMessage: _onMessage, ...READING_CHECKS } = CONSUMER_CHECKS;

const WORKER_CHECKS: Readonly<Record<keyof WorkerOptions, Check>> = {
  ...MIXIN_CHECKS,
  ...WORK_CHECKS,
  ...READING_CHECKS,
  queues: {
    expected: "a Queue or an array of them",
    holds: (v) => [v].flat().length > 0 && [v].flat().every((one) => one instanceof Queue),
  },
  handler: functionCheck,
  connectMaxRetries: integerCheck(0, Number.MAX_SAFE_INTEGER, "attempts"),
};

/**
 * A program that calls a handler for each message of its queues until it is stopped. What `ConsumerMixin` says of connections,
 * outages and the stop holds for it; its hooks may be overridden.
 *
 *     const worker = new Worker(connection, { queues: new Queue("jobs"), handler, concurrency: 4, handleSignals: true });
 *     await worker.run();
 */
export class Worker<Q extends Queue = Queue, T = PayloadOf<Q>> extends ConsumerMixin {
  readonly #options: WorkerOptions<Q, T>;

  /** Throws one `invalid_argument` with every complaint. */
  constructor(connection: Connection, options: WorkerOptions<Q, T>) {
    checkOptions("a worker", options, WORKER_CHECKS, ["queues", "handler"]);
    super(connection, pick(options, MIXIN_CHECKS));
    checkAccept(options.accept, connection.serializers);
    this.#options = { ...options };
    this.connectMaxRetries = options.connectMaxRetries;
  }

  override getConsumers(_consumer: ConsumerFactory, channel: Channel): readonly Consumer[] {
    const options = pick<QueueReadingOptions<T>>(this.#options, READING_CHECKS);
    // Without a hook of the program's own, what cannot be read is a failure like others: it is not lost.
    return [new Consumer<T>(channel, this.#options.queues, options) as Consumer];
  }

  override onError(error: unknown, message?: Message, againInMs?: number): unknown {
    const { onError } = this.#options;
    return (onError ?? super.onError.bind(this))(error, message, againInMs);
  }

  protected override async work(consumers: readonly Consumer[], signals: WorkSignals): Promise<void> {
    const handler = this.#options.handler as MessageHandler;
    const options: RunOptions = {
      ...pick<WorkOptions>(this.#options, WORK_CHECKS),
      ...{ signal: signals.stopping, interruptSignal: signals.interrupting },
      onError: (...failure) => void this.onError(...failure),
    };
    await Promise.all(consumers.map((consumer) => consumer.run(handler, options)));
  }
}

/** Those of the options that a table knows. */
function pick<O extends object>(options: object, checks: Readonly<Record<string, Check>>): O {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(checks, name))) as O;
}
