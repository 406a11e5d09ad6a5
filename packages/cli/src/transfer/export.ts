import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { limits, QueueError, type QueueInfo, type QueueKey, type TransferStore } from "@pullqueue/core";
import { isoTime } from "../time.js";
import { type ExportPosition, findPosition, queueId } from "./export-position.js";
import { type EndRecord, endLine, headerLine, queueLine, taskLine, tombstoneLine } from "./records.js";

/** Which queues are meant. */
export interface QueueChoice {
  /** All projects when absent. */
  readonly project?: string | undefined;
  /** All queues when empty. */
  readonly queues: readonly string[];
}

/** Where lines go. */
export interface LineSink {
  write(text: string): Promise<void>;
}

/** What an export tells while it goes on. */
export type ExportProgress = (counts: EndRecord, queue: QueueKey) => void;

/** Goes on where `position` is, or begins. Writes the end, and gives the counts of the whole file. */
export async function exportTo(
  sink: LineSink,
  store: TransferStore,
  options: {
    readonly choice: QueueChoice;
    readonly position?: ExportPosition | undefined;
    readonly nowUs: number;
    readonly signal: AbortSignal;
    readonly onProgress: ExportProgress;
  },
): Promise<EndRecord> {
  const { choice, position, nowUs, signal, onProgress } = options;
  const counts = { queues: 0, tasks: 0, tombstones: 0, ...position?.counts };
  if (position === undefined || position.bytes === 0) await sink.write(headerLine(isoTime(nowUs)));
  const writing: Writing = { sink, store, signal, counts, onProgress };
  for await (const info of chosenQueues(store, choice, signal)) {
    const isBegun = position?.queues.has(queueId(info.key)) === true;
    const last = position?.last;
    if (isBegun && (last === undefined || queueId(last.queue) !== queueId(info.key))) continue;
    await exportQueue(writing, info, isBegun ? last : undefined);
  }
  await sink.write(endLine(counts));
  return counts;
}

interface Writing {
  readonly sink: LineSink;
  readonly store: TransferStore;
  readonly signal: AbortSignal;
  readonly counts: { queues: number; tasks: number; tombstones: number };
  readonly onProgress: ExportProgress;
}

async function exportQueue(
  { sink, store, signal, counts, onProgress }: Writing,
  info: QueueInfo,
  begun: ExportPosition["last"],
): Promise<void> {
  const queue = info.key;
  if (begun === undefined) {
    await sink.write(queueLine(info));
    counts.queues += 1;
  }
  if (begun?.kind !== "tombstone") {
    const read = (afterId: string) => store.transfer.exportTasks(queue, { signal, afterId });
    for await (const tasks of pages(read, begun?.id)) {
      await sink.write(tasks.map(taskLine).join(""));
      counts.tasks += tasks.length;
      onProgress(counts, queue);
    }
  }
  const read = (afterId: string) => store.transfer.exportTombstones(queue, { signal, afterId });
  for await (const tombstones of pages(read, begun?.kind === "tombstone" ? begun.id : undefined)) {
    await sink.write(tombstones.map((tombstone) => tombstoneLine(queue, tombstone)).join(""));
    counts.tombstones += tombstones.length;
    onProgress(counts, queue);
  }
}

/** A file to write into, and how far it had come. Closed at the end of its scope. */
export interface OpenExport extends AsyncDisposable {
  readonly file: FileHandle;
  readonly position: ExportPosition | undefined;
}

/** Opens the file of an export: a new one, or with `resume` one that is cut to its whole lines. */
export async function openExportFile(
  path: string,
  mode: "new" | "resume",
  signal: AbortSignal,
): Promise<OpenExport> {
  if (mode === "resume") {
    const file = await open(path, "r+").catch((error) => cannotOpen(error, path));
    try {
      const position = await findPosition(path, signal);
      await file.truncate(position.bytes);
      return openExport(file, position);
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  // Tasks may hold secrets.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  return openExport(await open(path, flags, 0o600).catch((error) => cannotOpen(error, path)), undefined);
}

function openExport(file: FileHandle, position: ExportPosition | undefined): OpenExport {
  return { file, position, [Symbol.asyncDispose]: () => file.close() };
}

/** Writes to a file from a position on. */
export function fileSink(file: FileHandle, fromByte: number): LineSink {
  let at = fromByte;
  return {
    async write(text) {
      const bytes = Buffer.from(text);
      let written = 0;
      while (written < bytes.byteLength) {
        const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written, at + written);
        written += bytesWritten;
      }
      at += written;
    },
  };
}

/** The queues that are meant, in the order of project and name. */
export async function* chosenQueues(
  store: TransferStore,
  { project, queues }: QueueChoice,
  signal: AbortSignal,
): AsyncGenerator<QueueInfo> {
  const projects = project === undefined ? await allProjects(store, signal) : [project];
  for (const name of projects) {
    if (queues.length > 0) {
      for (const queue of queues) yield await store.getQueue({ project: name, queue }, { signal });
      continue;
    }
    let pageToken: string | undefined;
    do {
      const page = await store.listQueues(name, {
        signal,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      yield* page.queues;
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }
}

/** Throws where there may be more than a store lists, because nobody would miss those that are left out. */
async function allProjects(store: TransferStore, signal: AbortSignal): Promise<readonly string[]> {
  const projects = await store.listProjects({ signal });
  if (projects.length < limits.LIST_PROJECTS_MAX) return projects;
  throw new QueueError(
    "invalid_argument",
    `the store has ${limits.LIST_PROJECTS_MAX} projects or more, which is more than can be listed; name one after the other with --project`,
  );
}

/** Pages of things with ids, until one is empty. */
export async function* pages<T extends { readonly id: string }>(
  read: (afterId: string) => Promise<readonly T[]>,
  afterId = "",
): AsyncGenerator<readonly T[]> {
  let after = afterId;
  for (;;) {
    const page = await read(after);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last.id;
  }
}

function cannotOpen(error: unknown, path: string): never {
  const { code = "unknown error" } = error as NodeJS.ErrnoException;
  if (code === "EEXIST") {
    throw new QueueError(
      "already_exists",
      `${path} exists already; name another file, or go on with an export that was interrupted: --resume`,
    );
  }
  throw new QueueError("invalid_argument", `${path} cannot be opened (${code})`, { cause: error });
}
