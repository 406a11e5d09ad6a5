import { isQueueError, type QueueError } from "../errors.js";
import { disabledQueue, pushQueue, tooManyQueues, unknownQueue } from "../store-errors.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueKey, type QueueSettings, type QueueStats } from "../task.js";
import { leaseStep, STEPS_PER_HOUR, STEPS_PER_MINUTE } from "./lease-rate.js";
import type { PostgresConnections, RunStatement, Statement } from "./postgres-connections.js";
import type { PostgresRow } from "./postgres-pool.js";
import { columnsOf, nameOfQueue, type OpenQueue, openQueueOf } from "./postgres-rows.js";
import type { QueueRow } from "./postgres-statements.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

interface StatsRow {
  readonly queue_id: number;
  readonly total_tasks: number;
  readonly payload_bytes: number;
  readonly later_tasks: number;
  readonly leased_tasks: number;
  readonly oldest_eta_us: number | null;
  readonly leased_minute: number;
  readonly leased_hour: number;
}

/** What a call wants of a queue: to add tasks, to lease, or to look at and end what is there. */
export type Purpose = "insert" | "lease" | "settle";

/** The queues of a PostgreSQL store. Nothing is cached, because other processes change them too. */
export class PostgresQueues {
  readonly #createQueues: boolean;
  readonly #queuesMax: number;

  constructor(options: { readonly createQueues: boolean; readonly queuesMax: number }) {
    this.#createQueues = options.createQueues;
    this.#queuesMax = options.queuesMax;
  }

  /** What finds the queues of calls; its rows are for `open`. */
  finding(calls: readonly (readonly QueueKey[])[]): Statement {
    return findingQueues([...distinct(calls).values()]);
  }

  /** The queues of calls, or why a call cannot have its own; made where they are not there and may be. */
  async open(
    { statement }: PostgresTransaction,
    rows: readonly PostgresRow[],
    calls: readonly (readonly QueueKey[])[],
    purpose: Purpose,
  ): Promise<readonly (readonly OpenQueue[] | QueueError)[]> {
    const keys = distinct(calls);
    const found = queuesByName(rows as unknown as readonly QueueRow[]);
    const missing = [...keys.values()].filter((key) => !found.has(nameOfQueue(key)));
    const refused = new Map<string, QueueError>();
    if (missing.length > 0 && purpose !== "settle" && this.#createQueues) {
      await this.#create(statement, missing, found, refused);
    }
    return calls.map((names) => {
      try {
        return names.map((key) =>
          usable(key, found.get(nameOfQueue(key)), purpose, refused.get(nameOfQueue(key))),
        );
      } catch (error) {
        // A complaint about this call; anything else is a defect.
        if (isQueueError(error)) return error;
        throw error;
      }
    });
  }

  /** Creates the queue or replaces its settings. */
  async put({ statement }: PostgresTransaction, key: QueueKey, settings: QueueSettings): Promise<OpenQueue> {
    await statement("lockQueues", []);
    if (!(await findQueues(statement, [key])).has(nameOfQueue(key))) {
      if ((await countQueues(statement)) >= this.#queuesMax) throw tooManyQueues(this.#queuesMax);
    }
    const queue = await write(statement, key, settings);
    const { deadLetterQueue } = settings;
    if (deadLetterQueue !== undefined) await findOrWrite(statement, [{ ...key, queue: deadLetterQueue }]);
    return queue;
  }

  /** Where the dead letters of queues go, by the queues' numbers; made past every limit, because losing tasks would be worse. */
  async deadLetterQueues(
    { statement }: PostgresTransaction,
    queues: readonly OpenQueue[],
  ): Promise<ReadonlyMap<number, OpenQueue>> {
    const wanted = new Map<string, QueueKey>();
    const targetOf = ({ key, settings }: OpenQueue): QueueKey | undefined =>
      settings.deadLetterQueue === undefined
        ? undefined
        : { project: key.project, queue: settings.deadLetterQueue };
    for (const queue of queues) {
      const target = targetOf(queue);
      if (target !== undefined) wanted.set(nameOfQueue(target), target);
    }
    const found = wanted.size === 0 ? new Map() : await findOrWrite(statement, [...wanted.values()]);
    const targets = new Map<number, OpenQueue>();
    for (const queue of queues) {
      const target = targetOf(queue);
      if (target !== undefined) targets.set(queue.id, found.get(nameOfQueue(target)));
    }
    return targets;
  }

  async #create(
    statement: RunStatement,
    missing: readonly QueueKey[],
    found: Map<string, OpenQueue>,
    refused: Map<string, QueueError>,
  ): Promise<void> {
    await statement("lockQueues", []);
    // Asked again under the lock: another process may have done it.
    for (const [name, queue] of await findQueues(statement, missing)) found.set(name, queue);
    let count = await countQueues(statement);
    for (const key of missing) {
      const name = nameOfQueue(key);
      if (found.has(name)) continue;
      if (count >= this.#queuesMax) {
        refused.set(name, tooManyQueues(this.#queuesMax));
        continue;
      }
      found.set(name, await write(statement, key, DEFAULT_QUEUE_SETTINGS));
      count += 1;
    }
  }
}

/** A queue of any mode. */
export async function knownQueue(connections: PostgresConnections, key: QueueKey): Promise<OpenQueue> {
  const found = await findQueues((name, values) => connections.read(name, values), [key]);
  const queue = found.get(nameOfQueue(key));
  if (queue === undefined) throw unknownQueue(key);
  return queue;
}

/** A queue with tasks to look at. */
export async function pullQueue(connections: PostgresConnections, key: QueueKey): Promise<OpenQueue> {
  return usable(key, await knownQueue(connections, key), "settle", undefined);
}

/** Counts of queues by their numbers, all of one moment. */
export async function statsOf(
  connections: PostgresConnections,
  queues: readonly OpenQueue[],
): Promise<ReadonlyMap<number, QueueStats>> {
  const [now] = await connections.read<{ readonly now_us: number }>("now", []);
  const nowUs = now!.now_us;
  const step = leaseStep(nowUs);
  const ids = queues.map(({ id }) => id);
  const rows = await connections.read<StatsRow>("stats", [
    nowUs,
    step - STEPS_PER_MINUTE,
    step - STEPS_PER_HOUR,
    ids,
  ]);
  return new Map(
    rows.map((row) => [
      row.queue_id,
      {
        totalTasks: row.total_tasks,
        availableTasks: row.total_tasks - row.later_tasks,
        leasedTasks: row.leased_tasks,
        payloadBytes: row.payload_bytes,
        oldestEtaUs: row.oldest_eta_us ?? undefined,
        leasedLastMinute: row.leased_minute,
        leasedLastHour: row.leased_hour,
      },
    ]),
  );
}

function usable(
  key: QueueKey,
  queue: OpenQueue | undefined,
  purpose: Purpose,
  refused: QueueError | undefined,
): OpenQueue {
  if (queue === undefined) throw refused ?? unknownQueue(key);
  if (queue.settings.mode === "push") throw pushQueue(key);
  if (purpose === "lease" && queue.settings.disabled) throw disabledQueue(key);
  return queue;
}

/** Those of the queues that are there, by `nameOfQueue`. */
export async function findQueues(
  statement: RunStatement,
  keys: readonly QueueKey[],
): Promise<Map<string, OpenQueue>> {
  const { name, values } = findingQueues(keys);
  return queuesByName(await statement<QueueRow>(name, values));
}

function findingQueues(keys: readonly QueueKey[]): Statement {
  const values = columnsOf(
    keys,
    ({ project }) => project,
    ({ queue }) => queue,
  );
  return { name: "findQueues", values };
}

function queuesByName(rows: readonly QueueRow[]): Map<string, OpenQueue> {
  return new Map(rows.map(openQueueOf).map((queue) => [nameOfQueue(queue.key), queue]));
}

function distinct(calls: readonly (readonly QueueKey[])[]): ReadonlyMap<string, QueueKey> {
  return new Map(calls.flat().map((key) => [nameOfQueue(key), key]));
}

/** Finds queues; those that are not there are made. */
async function findOrWrite(
  statement: RunStatement,
  keys: readonly QueueKey[],
): Promise<Map<string, OpenQueue>> {
  const found = await findQueues(statement, keys);
  if (found.size === keys.length) return found;
  await statement("lockQueues", []);
  for (const [name, queue] of await findQueues(statement, keys)) found.set(name, queue);
  for (const key of keys) {
    if (!found.has(nameOfQueue(key)))
      found.set(nameOfQueue(key), await write(statement, key, DEFAULT_QUEUE_SETTINGS));
  }
  return found;
}

async function write(statement: RunStatement, key: QueueKey, settings: QueueSettings): Promise<OpenQueue> {
  const { mode, maxLeases, acl, disabled } = settings;
  const [row] = await statement<QueueRow>("putQueue", [
    key.project,
    key.queue,
    mode,
    maxLeases ?? null,
    acl === undefined ? null : JSON.stringify(acl),
    disabled,
    settings.deadLetterQueue ?? null,
    settings.leasesPerSecond ?? null,
    settings.storageBytesMax ?? null,
    settings.retentionMs ?? null,
    settings.tombstoneMs ?? null,
  ]);
  return openQueueOf(row!);
}

async function countQueues(statement: RunStatement): Promise<number> {
  const [row] = await statement<{ readonly count: number }>("countQueues", []);
  return row!.count;
}
