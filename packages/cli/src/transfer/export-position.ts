import { createReadStream } from "node:fs";
import { createInterface } from "node:readline/promises";
import { QueueError, type QueueKey } from "@pullqueue/core";
import { type EndRecord, readRecord } from "./records.js";

/** How far an export that was interrupted had come. */
export interface ExportPosition {
  /** Bytes of whole lines; what follows them is cut off. */
  readonly bytes: number;
  /** What the whole lines hold. */
  readonly counts: EndRecord;
  /** Names of the queues that the file has (`queueId`), the last among them. */
  readonly queues: ReadonlySet<string>;
  /** The queue of the last line, and where in it the export stopped; undefined when there was none yet. */
  readonly last:
    | { readonly queue: QueueKey; readonly kind: "queue" | "task" | "tombstone"; readonly id: string }
    | undefined;
  /** The file has its end: there is nothing left to do. */
  readonly isWhole: boolean;
}

/** Reads through a file. Throws `invalid_argument` for one that is no export, naming its line. */
export async function findPosition(path: string, signal: AbortSignal): Promise<ExportPosition> {
  const input = createReadStream(path, { signal });
  let bytes = 0;
  let lineNumber = 0;
  const counts = { queues: 0, tasks: 0, tombstones: 0 };
  const queues = new Set<string>();
  let last: ExportPosition["last"];
  let isWhole = false;
  let pending: string | undefined;
  const take = (line: string) => {
    lineNumber += 1;
    const record = recordOf(line, lineNumber, path);
    bytes += Buffer.byteLength(line) + 1;
    if (record.kind === "end") isWhole = true;
    if (record.kind === "queue") {
      counts.queues += 1;
      queues.add(queueId(record.info.key));
      last = { queue: record.info.key, kind: "queue", id: "" };
    } else if (record.kind === "task") {
      counts.tasks += 1;
      last = { queue: record.task.queue, kind: "task", id: record.task.id };
    } else if (record.kind === "tombstone") {
      counts.tombstones += 1;
      last = { queue: record.queue, kind: "tombstone", id: record.tombstone.id };
    }
  };
  // The last piece may be half a line: it only counts when its end is there.
  for await (const line of createInterface({ input, crlfDelay: 0 })) {
    if (pending !== undefined) take(pending);
    pending = line;
  }
  if (pending !== undefined && bytes + Buffer.byteLength(pending) < input.bytesRead) take(pending);
  return { bytes, counts, queues, last, isWhole };
}

/** A queue as one text. */
export function queueId({ project, queue }: QueueKey): string {
  // A project has no slash.
  return `${project}/${queue}`;
}

function recordOf(line: string, lineNumber: number, path: string) {
  try {
    const record = readRecord(line);
    if ((record.kind === "header") === (lineNumber === 1)) return record;
  } catch (cause) {
    throw notAnExport(path, lineNumber, cause);
  }
  throw notAnExport(path, lineNumber, undefined);
}

function notAnExport(path: string, lineNumber: number, cause: unknown): QueueError {
  const what =
    cause instanceof QueueError ? cause.message : "its first line must be the header, and no other";
  return new QueueError(
    "invalid_argument",
    `${path}, line ${lineNumber}: ${what}; --resume goes on with a file that an export began`,
    { cause },
  );
}
