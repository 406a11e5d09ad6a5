import {
  isQueueError,
  limits,
  QueueError,
  type QueueInfo,
  type QueueKey,
  type TaskRecord,
  type TombstoneRecord,
  type TransferStore,
} from "@pullqueue/core";
import { IMPORT_BATCH_BYTES } from "../limits.js";
import { queueId } from "./export-position.js";
import { type ExportRecord, readRecord } from "./records.js";

/** What an import did. */
export interface ImportCounts {
  queues: number;
  /** Tasks that are new here. */
  added: number;
  /** Tasks that were here already, or had been finished here. */
  present: number;
  tombstones: number;
}

/** What an import tells while it goes on. */
export type ImportProgress = (counts: ImportCounts) => void;

/**
 * Takes the lines of an export into a store. Queues stay paused until all is in, so that an import that ended half way
 * can be run again without a task being done twice. Throws `invalid_argument` that names the line, or those of tasks among
 * which the store refuses some, also for a file without its end; what was read until then is in.
 */
export async function importFrom(
  lines: AsyncIterable<string>,
  store: TransferStore,
  options: {
    readonly settings: "replace" | "keep";
    readonly signal: AbortSignal;
    readonly onProgress: ImportProgress;
  },
): Promise<ImportCounts> {
  const reader = new Importer(store, options);
  let number = 0;
  for await (const line of lines) {
    number += 1;
    options.signal.throwIfAborted();
    try {
      await reader.take(readRecord(line), number);
    } catch (error) {
      if (error === reader.refusal || !isQueueError(error, "invalid_argument")) throw error;
      throw atLine(number, error);
    }
  }
  await reader.finish();
  return reader.counts;
}

class Importer {
  readonly counts: ImportCounts = { queues: 0, added: 0, present: 0, tombstones: 0 };
  /** What the store had against tasks of earlier lines than the last one; it names theirs. */
  refusal: QueueError | undefined;
  readonly #store: TransferStore;
  readonly #settings: "replace" | "keep";
  readonly #signal: AbortSignal;
  readonly #onProgress: ImportProgress;
  readonly #queues = new Map<string, QueueInfo>();
  #isWhole = false;
  #queue: QueueKey | undefined;
  #tasks: TaskRecord[] = [];
  #tombstones: TombstoneRecord[] = [];
  #bytes = 0;
  /** Where the tasks are that wait for others to be imported with. */
  #taskLines = { first: 0, last: 0 };

  constructor(
    store: TransferStore,
    options: { settings: "replace" | "keep"; signal: AbortSignal; onProgress: ImportProgress },
  ) {
    this.#store = store;
    this.#settings = options.settings;
    this.#signal = options.signal;
    this.#onProgress = options.onProgress;
  }

  async take(record: ExportRecord, lineNumber: number): Promise<void> {
    if ((record.kind === "header") !== (lineNumber === 1)) {
      throw new QueueError(
        "invalid_argument",
        "the first line must be an export's header, and no other line",
      );
    }
    if (this.#isWhole) throw new QueueError("invalid_argument", "there is something after the end line");
    switch (record.kind) {
      case "header":
        return;
      case "queue":
        await this.#flush();
        return this.#begin(record.info);
      case "task":
        await this.#turnTo(record.task.queue);
        this.#taskLines = {
          first: this.#tasks.length === 0 ? lineNumber : this.#taskLines.first,
          last: lineNumber,
        };
        this.#tasks.push(record.task);
        this.#bytes += record.task.payload.byteLength;
        return this.#flushIfFull();
      case "tombstone":
        await this.#turnTo(record.queue);
        this.#tombstones.push(record.tombstone);
        return this.#flushIfFull();
      case "end":
        await this.#flush();
        this.#isWhole = true;
    }
  }

  /** Lets the queues go, as the file has them. */
  async finish(): Promise<void> {
    await this.#flush();
    if (!this.#isWhole) {
      throw new QueueError(
        "invalid_argument",
        "the file ends before its end line: complete it with export --resume, then run this import again; its queues stay paused until then",
      );
    }
    for (const { key, paused } of this.#queues.values()) {
      if (!paused) await this.#store.resumeQueue(key, { signal: this.#signal });
    }
  }

  async #begin(info: QueueInfo): Promise<void> {
    const options = { signal: this.#signal };
    const existing = await this.#store.getQueue(info.key, options).catch(absentIfNotFound);
    if (existing === undefined || this.#settings === "replace") {
      await this.#store.putQueue(info.key, info.settings, options);
    }
    await this.#store.pauseQueue(info.key, options);
    this.#queues.set(queueId(info.key), info);
    this.counts.queues += 1;
    this.#queue = info.key;
  }

  async #turnTo(queue: QueueKey): Promise<void> {
    if (this.#queue !== undefined && queueId(this.#queue) === queueId(queue)) return;
    await this.#flush();
    if (!this.#queues.has(queueId(queue))) {
      throw new QueueError("invalid_argument", "the line is of a queue that no line before it describes");
    }
    this.#queue = queue;
  }

  async #flushIfFull(): Promise<void> {
    const records = this.#tasks.length + this.#tombstones.length;
    if (records >= limits.TRANSFER_TASKS_MAX || this.#bytes >= IMPORT_BATCH_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined) return;
    const options = { signal: this.#signal };
    const tasks = this.#tasks;
    const tombstones = this.#tombstones;
    this.#tasks = [];
    this.#tombstones = [];
    this.#bytes = 0;
    if (tasks.length > 0) await this.#import(queue, tasks);
    if (tombstones.length > 0) {
      await this.#store.transfer.importTombstones(queue, tombstones, options);
      this.counts.tombstones += tombstones.length;
    }
    if (tasks.length + tombstones.length > 0) this.#onProgress(this.counts);
  }

  async #import(queue: QueueKey, tasks: readonly TaskRecord[]): Promise<void> {
    try {
      const { added, present } = await this.#store.transfer.importTasks(queue, tasks, {
        signal: this.#signal,
      });
      this.counts.added += added;
      this.counts.present += present;
    } catch (error) {
      if (!isQueueError(error, "invalid_argument")) throw error;
      const { first, last } = this.#taskLines;
      this.refusal = new QueueError(
        "invalid_argument",
        `lines ${first} to ${last}: ${error.message}. Of these lines none is in; mend what is refused, or take its line out, and run this import again. The queues of the file stay paused until then`,
        { cause: error },
      );
      throw this.refusal;
    }
  }
}

function absentIfNotFound(error: unknown): undefined {
  if (isQueueError(error, "not_found")) return undefined;
  throw error;
}

function atLine(number: number, error: QueueError): QueueError {
  return new QueueError("invalid_argument", `line ${number}: ${error.message}`, { cause: error });
}
