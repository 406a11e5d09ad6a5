import {
  limits,
  type QueueAdmin,
  type QueueKey,
  type QueueStore,
  type TaskWithPayload,
} from "@pullqueue/core";
import { sendDeadLetter } from "../dead-letter.js";
import { fromQueueError, isAway, isKombuError, KombuError } from "../errors.js";
import type { MessageContent } from "../message-content.js";
import type { LeaseSettings } from "../options.js";
import { traceOf } from "../trace-headers.js";
import type {
  DeadLetterTarget,
  DeathReason,
  Delivery,
  DeliveryInfo,
  Lease,
  LeaseStandby,
  LeaseTicket,
  LeaseTickets,
  PublishReceipt,
  ReceiveRequest,
  RejectOptions,
  ReleaseOptions,
  Route,
  Transport,
  TransportContext,
  TransportManifest,
} from "../transport.js";
import { pause } from "../waiting.js";
import { atDoor, errorOf } from "./virtual-door.js";
import { expiryUs, storeNowUs } from "./virtual-expiry.js";
import { kombuForm, type StoredForm } from "./virtual-form.js";
import { virtualManifest } from "./virtual-manifest.js";
import { VirtualPublisher } from "./virtual-publisher.js";
import { VirtualTopology } from "./virtual-topology.js";

/** What a virtual transport is made of. */
export interface VirtualTransportOptions {
  readonly store: QueueStore & QueueAdmin;
  /** The transport's name, for its manifest. */
  readonly name: string;
  readonly project: string;
  readonly lease: LeaseSettings;
  readonly context: TransportContext;
  /** Asks the store whether it is there. Default: it is, once it is open. */
  readonly reach?: ((signal: AbortSignal | undefined) => Promise<unknown>) | undefined;
  /** Gives the store back. Default: closes it. */
  readonly closeStore?: () => Promise<void>;
  /** Default: kombu's envelopes. */
  readonly form?: StoredForm;
  /** A call that failed has done nothing, as in this process's own memory. Default: who can say. */
  readonly answersSurely?: boolean;
}

/** A task's lease, as it has to be named to the store. */
interface HeldTask {
  readonly key: QueueKey;
  readonly id: string;
  readonly retryCount: number;
  leaseEndUs: number;
  /** A renewal that is on its way. */
  renewal?: Promise<void>;
  /** A delete of ours went unanswered, and may have been done. */
  isPerhapsGone?: boolean;
}

/** A delivery with what only its transport has to know. */
class VirtualDelivery implements Delivery {
  readonly content: MessageContent;
  readonly deliveryTag: string;
  readonly info: DeliveryInfo;
  leaseEndsAtUs: number | undefined;
  standbyId: number | undefined;
  readonly expiresAtUs: number | undefined;
  readonly owner: VirtualTransport;
  readonly task: HeldTask;

  constructor(owner: VirtualTransport, parts: Omit<VirtualDelivery, "owner" | "deliveryTag" | "standbyId">) {
    const { task, info } = parts;
    this.content = parts.content;
    this.deliveryTag = `${info.queue}/${task.id}/${task.retryCount}`;
    this.info = info;
    this.leaseEndsAtUs = parts.leaseEndsAtUs;
    this.expiresAtUs = parts.expiresAtUs;
    this.owner = owner;
    this.task = task;
  }
}

/** The same for another thread. */
type TaskTicket = Pick<HeldTask, "id" | "retryCount" | "leaseEndUs"> & { readonly queue: string };

const MS = 1000;
const US_PER_SECOND = 1_000_000;

/**
 * A kombu broker over any store that leases. The vocabulary changes here and nowhere else: publish = insert, receive = lease,
 * ack and reject = delete, release = extend by 0 (or by the delay), extend = extend.
 *
 * Exchanges and bindings live in this object: a process knows those that it declared itself, as with Python's kombu.
 */
export class VirtualTransport implements Transport {
  readonly manifest: TransportManifest;
  readonly topology: VirtualTopology;
  readonly #store: QueueStore & QueueAdmin;
  readonly #project: string;
  readonly #lease: LeaseSettings;
  readonly #context: TransportContext;
  readonly #reach: (signal: AbortSignal | undefined) => Promise<unknown>;
  readonly #closeStore: () => Promise<void>;
  readonly #form: StoredForm;
  readonly #publisher: VirtualPublisher;
  readonly standby: LeaseStandby | undefined;
  #turn = 0;
  #backlog = false;
  #closing: Promise<void> | undefined;

  constructor(options: VirtualTransportOptions) {
    const { store, name, project, lease, context, reach, closeStore, form = kombuForm } = options;
    this.standby = context.openStandby?.(this.#tickets());
    this.manifest = virtualManifest(name, this.standby === undefined ? "loop" : "thread");
    this.topology = new VirtualTopology(store, project);
    this.#publisher = new VirtualPublisher({
      ...{ store, project, topology: this.topology, context },
      ...{ form, answersSurely: options.answersSurely ?? false },
      deadletterQueue: lease.deadletterQueue,
    });
    this.#form = form;
    this.#store = store;
    this.#project = project;
    this.#lease = lease;
    this.#context = context;
    this.#reach = reach ?? (async () => {});
    this.#closeStore = closeStore ?? (() => store.close());
  }

  async connect(signal?: AbortSignal): Promise<void> {
    await atDoor(() => this.#reach(signal), signal);
  }

  publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    return this.#publisher.publish(content, route, signal);
  }

  async receive({ queues, max, waitMs, signal }: ReceiveRequest): Promise<Delivery[]> {
    const batch = this.#lease.numTasks;
    const maxTasks = Math.min(max ?? batch ?? 1, batch ?? limits.LEASE_TASKS_MAX, limits.LEASE_TASKS_MAX);
    const untilUs = this.#context.clock.nowUs() + waitMs * MS;
    const keys = queues.map((queue) => this.#key(queue));
    // A store in this process answers within the turn of the event loop: a consumer that is never without work would leave no other.
    await new Promise(setImmediate);
    for (;;) {
      const leftMs = Math.max(0, (untilUs - this.#context.clock.nowUs()) / MS);
      const tasks = await this.#leaseFrom(keys, maxTasks, leftMs, signal);
      const deliveries = await this.#live(tasks);
      if (deliveries.length > 0) return deliveries;
      // Expired messages are no answer: behind them there may be others.
      if (tasks.length === 0 && this.#context.clock.nowUs() >= untilUs) return [];
    }
  }

  async ack(delivery: Delivery): Promise<void> {
    this.standby?.refresh();
    const task = this.#task(delivery);
    const { key, id, retryCount, leaseEndUs } = task;
    // Not a function of its own: that would be a promise more for each message.
    let error: unknown;
    try {
      const [result] = await this.#store.delete(key, [{ id, retryCount, leaseEndUs }]);
      error = errorOf(result);
    } catch (thrown) {
      error = fromQueueError(thrown);
    }
    if (error === undefined) return;
    if (!isKombuError(error, "not_found")) {
      task.isPerhapsGone ||= isAway(error);
      throw error;
    }
    // A task that is gone was finished or purged by somebody else, unless it was us when nobody could say so.
    if (task.isPerhapsGone !== true) throw leaseLost(delivery, error);
  }

  async release(delivery: Delivery, options: ReleaseOptions = {}): Promise<void> {
    const { delayMs = 0, uncounted = false } = options;
    // A renewal that arrived after this would hide the task for a whole lease; whether it succeeds is no matter.
    const task = this.#task(delivery);
    if (delayMs > 0) await Promise.allSettled([task.renewal, this.standby?.quiet(delivery)]);
    this.standby?.refresh();
    await this.#extendBy(task, delayMs, uncounted && delayMs === 0);
  }

  async reject(delivery: Delivery, { reason = "rejected", to }: RejectOptions = {}): Promise<void> {
    const target = to ?? (await this.#deadLetters(delivery.info.queue));
    // What is not ours any more is not ours to bury; and what is stays so until it is.
    if (target !== undefined) await this.extend(delivery);
    await this.#bury(delivery, reason, target);
  }

  async extend(delivery: Delivery): Promise<void> {
    const { leaseMs } = this.#lease;
    // Counted from before the call, so that our own end is never later than the store's.
    const fromUs = this.#context.clock.nowUs();
    const task = this.#task(delivery);
    task.renewal = this.#extendBy(task, leaseMs, false);
    await task.renewal;
    delivery.leaseEndsAtUs = fromUs + leaseMs * MS;
  }

  async renew(ticket: LeaseTicket): Promise<LeaseTicket> {
    const { queue, id, retryCount, leaseEndUs } = ticket as unknown as TaskTicket;
    const task: HeldTask = { key: this.#key(queue), id, retryCount, leaseEndUs };
    await this.#extendBy(task, this.#lease.leaseMs, false);
    return { ...ticket, leaseEndUs: task.leaseEndUs };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.standby?.close();
    await atDoor(this.#closeStore);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One waiting call where the store can; otherwise looks in turn and pauses in between. */
  async #leaseFrom(
    keys: readonly QueueKey[],
    maxTasks: number,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    // Together the oldest go first, so that a queue with a long backlog would starve the others.
    if (!this.#canWaitFor(keys) || (keys.length > 1 && this.#backlog)) {
      const tasks = await this.#lookInTurn(keys, maxTasks, signal);
      if (tasks.length > 0 || waitMs === 0) return tasks;
    }
    // Asked again, because a store on the other side of HTTP learns from its first call what its server can do.
    if (!this.#canWaitFor(keys)) {
      await pause(this.#context.clock, Math.min(waitMs, this.#lease.pollingIntervalMs), signal);
      return [];
    }
    const tasks = await this.#leaseOnce(keys, maxTasks, Math.min(waitMs, limits.WAIT_MS_MAX), signal);
    this.#backlog = tasks.length === maxTasks;
    return tasks;
  }

  #canWaitFor(keys: readonly QueueKey[]): boolean {
    const { waits, leasesManyQueues } = this.#store.supports;
    return waits && (keys.length === 1 || leasesManyQueues);
  }

  async #lookInTurn(
    keys: readonly QueueKey[],
    maxTasks: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    this.#turn += 1;
    for (let offset = 0; offset < keys.length; offset++) {
      const key = keys[(this.#turn + offset) % keys.length]!;
      const tasks = await this.#leaseOnce([key], maxTasks, 0, signal);
      if (tasks.length > 0) return tasks;
    }
    return [];
  }

  async #leaseOnce(
    keys: readonly QueueKey[],
    maxTasks: number,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const payloadBytesMax = limits.LEASE_PAYLOAD_BYTES_MAX;
    const request = { maxTasks, leaseMs: this.#lease.leaseMs, waitMs, payloadBytesMax };
    return atDoor(() => this.#store.lease(keys, request, { signal }), signal);
  }

  /** Deliveries of the tasks that have not expired; the others are buried. */
  async #live(tasks: readonly TaskWithPayload[]): Promise<Delivery[]> {
    const nowUs = this.#context.clock.nowUs();
    const deliveries = tasks.map((task) => this.#delivery(task, nowUs));
    const isExpired = (delivery: Delivery) => (delivery.expiresAtUs ?? Number.POSITIVE_INFINITY) <= nowUs;
    const expired = deliveries.filter(isExpired);
    await this.#buryExpired(expired);
    return expired.length === 0 ? deliveries : deliveries.filter((delivery) => !isExpired(delivery));
  }

  /** Where dead letters of a queue go: by its definition here, or else by its settings in the store. */
  async #deadLetters(queue: string): Promise<DeadLetterTarget | undefined> {
    const declared = this.topology.deadLetters(queue);
    if (declared !== undefined || !this.#store.supports.managesLife) return declared;
    const deadLetterQueue = await this.topology.deadLetterQueue(queue);
    return deadLetterQueue === undefined ? undefined : { exchange: "", routingKey: deadLetterQueue };
  }

  async #bury(delivery: Delivery, reason: DeathReason, target: DeadLetterTarget | undefined): Promise<void> {
    const time = Math.floor(this.#context.clock.nowUs() / US_PER_SECOND);
    if (target !== undefined) await sendDeadLetter(this, delivery, { target, reason, time });
    await this.ack(delivery);
  }

  /** Whoever cannot bury one now sees it again after its lease, and does it then. */
  async #buryExpired(expired: readonly Delivery[]): Promise<void> {
    const queues = new Set(expired.map(({ info }) => info.queue));
    for (const queue of queues) {
      const target = this.#deadLetters(queue);
      const own = expired.filter(({ info }) => info.queue === queue);
      const results = await Promise.allSettled(
        own.map(async (delivery) => this.#bury(delivery, "expired", await target)),
      );
      for (const result of results) if (result.status === "rejected") this.#context.warn?.(result.reason);
    }
  }

  #delivery(task: TaskWithPayload, nowUs: number): Delivery {
    const { id, retryCount } = task;
    const { queue } = task.queue;
    const stored = this.#form.read(task.payload);
    const { content } = stored;
    // Not every server keeps it beside the message.
    const trace = task.traceparent === undefined ? traceOf(content.headers) : task;
    const info: DeliveryInfo = {
      queue,
      exchange: stored.exchange ?? "",
      routingKey: stored.routingKey ?? queue,
      redelivered: retryCount > 1 || stored.redelivered === true,
      taskId: id,
      tag: task.tag,
      retryCount,
      attempts: retryCount - task.uncounted,
      enqueuedAtMs: Math.floor(task.enqueuedAtUs / MS),
      traceparent: trace.traceparent,
      tracestate: trace.tracestate,
    };
    return new VirtualDelivery(this, {
      content,
      info,
      task: { key: task.queue, id, retryCount, leaseEndUs: task.etaUs },
      leaseEndsAtUs: nowUs + this.#lease.leaseMs * MS,
      expiresAtUs: this.#expiresAtUs(task, content, nowUs),
    });
  }

  #expiresAtUs(task: TaskWithPayload, { properties }: MessageContent, nowUs: number): number | undefined {
    const lifeUs = expiryUs(properties, this.topology.messageTtlMs(task.queue.queue));
    if (lifeUs === undefined) return undefined;
    const { leaseStepMs } = this.#store.supports;
    return nowUs + lifeUs - (storeNowUs(task, this.#lease.leaseMs, leaseStepMs) - task.enqueuedAtUs);
  }

  async #extendBy(task: HeldTask, leaseMs: number, uncounted: boolean): Promise<void> {
    const { key, id, retryCount, leaseEndUs } = task;
    const lease = { id, retryCount, leaseEndUs, leaseMs, ...(uncounted ? { uncounted } : {}) };
    const [result] = await atDoor(() => this.#store.extend(key, [lease]));
    const error = errorOf(result);
    if (error !== undefined) throw error;
    if (result?.ok === true) task.leaseEndUs = result.value.etaUs;
  }

  #key(queue: string): QueueKey {
    return { project: this.#project, queue };
  }

  #tickets(): LeaseTickets {
    return {
      write: (lease) => {
        const { key, id, retryCount, leaseEndUs } = this.#task(lease);
        return { queue: key.queue, id, retryCount, leaseEndUs } satisfies TaskTicket;
      },
      take: (lease, ticket) => {
        const task = this.#task(lease);
        task.leaseEndUs = Math.max(task.leaseEndUs, (ticket as unknown as TaskTicket).leaseEndUs);
      },
    };
  }

  #task(delivery: Lease): HeldTask {
    if (delivery instanceof VirtualDelivery && delivery.owner === this) return delivery.task;
    throw new KombuError(
      "invalid_argument",
      "this delivery came from another transport; settle it where it came from",
    );
  }
}

function leaseLost({ info }: Delivery, cause: unknown): KombuError {
  const text = `the message ${info.taskId} is not in queue ${JSON.stringify(info.queue)} any more: somebody else finished it, or the queue was purged`;
  return new KombuError("lease_lost", text, { cause });
}
