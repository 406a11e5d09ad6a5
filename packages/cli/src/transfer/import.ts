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
 * Takes the first line of an export. Whoever opens the store only then leaves none behind for a file that is no export. Throws
 * `invalid_argument`.
 */
export async function readHeader(lines: AsyncGenerator<string>): Promise<void> {
  const first = await lines.next();
  if (first.done === true) throw endsEarly();
  try {
    if (readRecord(first.value).kind !== "header") throw misplacedHeader();
  } catch (error) {
    throw atLine(1, error);
  }
}

/**
 * Takes the lines behind the header into a store. Queues stay paused until all is in, so that an import that ended half way
 * can be run again without a task being done twice. Throws `invalid_argument` or `too_large` with the line that is wrong, and
 * `invalid_argument` for a file without its end; what was before that is in.
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
  const blame = (error: unknown) => {
    throw atLine(reader.lineNumber, error);
  };
  for await (const line of writtenBefore(lines, () => reader.flush().catch(blame))) {
    options.signal.throwIfAborted();
    await reader.take(line).catch(blame);
  }
  await reader.flush().catch(blame);
  await reader.finish();
  return reader.counts;
}

/** The lines; what was gathered of them is written before whatever ends them early, such as a line that is too long. */
async function* writtenBefore(
  lines: AsyncIterable<string>,
  flush: () => Promise<void>,
): AsyncGenerator<string> {
  try {
    yield* lines;
  } catch (error) {
    await flush();
    throw error;
  }
}

/** Something that a line says, and which line. */
interface FromLine<T> {
  readonly record: T;
  readonly lineNumber: number;
}

class Importer {
  /** The line that an error is about: the last one, or one of those gathered before it. */
  lineNumber = 1;
  readonly counts: ImportCounts = { queues: 0, added: 0, present: 0, tombstones: 0 };
  readonly #store: TransferStore;
  readonly #settings: "replace" | "keep";
  readonly #signal: AbortSignal;
  readonly #onProgress: ImportProgress;
  readonly #queues = new Map<string, QueueInfo>();
  #isWhole = false;
  #queue: QueueKey | undefined;
  #tasks: FromLine<TaskRecord>[] = [];
  #tombstones: FromLine<TombstoneRecord>[] = [];
  #bytes = 0;

  constructor(
    store: TransferStore,
    options: { settings: "replace" | "keep"; signal: AbortSignal; onProgress: ImportProgress },
  ) {
    this.#store = store;
    this.#settings = options.settings;
    this.#signal = options.signal;
    this.#onProgress = options.onProgress;
  }

  async take(line: string): Promise<void> {
    this.lineNumber += 1;
    const { lineNumber } = this;
    const record = await this.#read(line);
    switch (record.kind) {
      case "queue":
        await this.flush();
        return this.#begin(record.info);
      case "task":
        await this.#turnTo(record.task.queue);
        this.#tasks.push({ record: record.task, lineNumber });
        this.#bytes += record.task.payload.byteLength;
        return this.#flushIfFull();
      case "tombstone":
        await this.#turnTo(record.queue);
        this.#tombstones.push({ record: record.tombstone, lineNumber });
        return this.#flushIfFull();
      case "end":
        await this.flush();
        this.#isWhole = true;
    }
  }

  /** What a line says. Before it is found to be wrong, those before it are written, or found to be so themselves. */
  async #read(line: string): Promise<Exclude<ExportRecord, { kind: "header" }>> {
    try {
      const record = readRecord(line);
      if (record.kind === "header") throw misplacedHeader();
      if (this.#isWhole) throw new QueueError("invalid_argument", "there is something after the end line");
      return record;
    } catch (error) {
      await this.flush();
      throw error;
    }
  }

  /** Lets the queues go, as the file has them. */
  async finish(): Promise<void> {
    if (!this.#isWhole) throw endsEarly();
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
    await this.flush();
    if (!this.#queues.has(queueId(queue))) {
      throw new QueueError("invalid_argument", "the line is of a queue that no line before it describes");
    }
    this.#queue = queue;
  }

  async #flushIfFull(): Promise<void> {
    const records = this.#tasks.length + this.#tombstones.length;
    if (records >= limits.TRANSFER_TASKS_MAX || this.#bytes >= IMPORT_BATCH_BYTES) await this.flush();
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined) return;
    const options = { signal: this.#signal };
    const tasks = this.#tasks;
    const tombstones = this.#tombstones;
    this.#tasks = [];
    this.#tombstones = [];
    this.#bytes = 0;
    const wrongTask = await writeUntilWrong(tasks, async (records) => {
      const { added, present } = await this.#store.transfer.importTasks(queue, records, options);
      this.counts.added += added;
      this.counts.present += present;
    });
    const end = wrongTask?.lineNumber ?? Number.POSITIVE_INFINITY;
    const before = tombstones.filter(({ lineNumber }) => lineNumber < end);
    const wrongTombstone = await writeUntilWrong(before, async (records) => {
      await this.#store.transfer.importTombstones(queue, records, options);
      this.counts.tombstones += records.length;
    });
    const wrong = wrongTombstone ?? wrongTask;
    if (wrong !== undefined) this.#refuse(wrong);
    if (tasks.length + tombstones.length > 0) this.#onProgress(this.counts);
  }

  #refuse({ lineNumber, error }: Wrong): never {
    this.lineNumber = lineNumber;
    throw new QueueError(
      error.code,
      `${error.message}. What is before this line is in; mend what is refused, or take its line out, and run this import again. The queues of the file stay paused until then`,
      { cause: error },
    );
  }
}

/** The first line that the store refuses, and why. */
interface Wrong {
  readonly lineNumber: number;
  readonly error: QueueError;
}

type Write<T> = (records: readonly T[]) => Promise<void>;

/** A store refuses a batch as a whole and does not say which line is wrong: halves find it, and what is before it is written. */
async function writeUntilWrong<T>(
  batch: readonly FromLine<T>[],
  write: Write<T>,
): Promise<Wrong | undefined> {
  const [first] = batch;
  if (first === undefined) return undefined;
  try {
    await write(batch.map(({ record }) => record));
    return undefined;
  } catch (error) {
    if (!isWrong(error)) throw error;
    if (batch.length === 1) return { lineNumber: first.lineNumber, error };
    const half = Math.ceil(batch.length / 2);
    const wrong =
      (await writeUntilWrong(batch.slice(0, half), write)) ??
      (await writeUntilWrong(batch.slice(half), write));
    // The complaint about the batch names whatever else is wrong in it.
    return wrong && { lineNumber: wrong.lineNumber, error };
  }
}

function absentIfNotFound(error: unknown): undefined {
  if (isQueueError(error, "not_found")) return undefined;
  throw error;
}

/** Whether the file is to blame. */
function isWrong(error: unknown): error is QueueError {
  return isQueueError(error, "invalid_argument") || isQueueError(error, "too_large");
}

function atLine(lineNumber: number, error: unknown): unknown {
  if (!isWrong(error)) return error;
  return new QueueError(error.code, `line ${lineNumber}: ${error.message}`, { cause: error });
}

function misplacedHeader(): QueueError {
  return new QueueError("invalid_argument", "the first line must be an export's header, and no other line");
}

function endsEarly(): QueueError {
  return new QueueError(
    "invalid_argument",
    "the file ends before its end line: complete it with export --resume, then run this import again; its queues stay paused until then",
  );
}
