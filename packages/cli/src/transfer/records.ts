import {
  decodePayload,
  encodePayload,
  type JsonObject,
  QueueError,
  type QueueInfo,
  type QueueKey,
  queueToWire,
  readBoolean,
  readInteger,
  readObject,
  readString,
  settingsFromWire,
  type TaskRecord,
  type TombstoneRecord,
} from "@pullqueue/core";

/**
 * The lines of an export: one JSON object each, so that a file can be cut, looked at and counted with any tool. 64-bit
 * numbers are strings, payloads URL-safe base64, as in the REST API. Each line says for itself which queue it is of.
 */

/** The form of the file. Readers refuse a greater number; fields may be added without a new one. */
const EXPORT_VERSION = 1;

/** The counts at the end of a whole file. */
export interface EndRecord {
  readonly queues: number;
  readonly tasks: number;
  readonly tombstones: number;
}

/** One line as data. */
export type ExportRecord =
  | { readonly kind: "header" }
  | { readonly kind: "queue"; readonly info: QueueInfo }
  | { readonly kind: "task"; readonly task: TaskRecord }
  | { readonly kind: "tombstone"; readonly queue: QueueKey; readonly tombstone: TombstoneRecord }
  | { readonly kind: "end"; readonly counts: EndRecord };

/** The first line. */
export function headerLine(exportedAt: string): string {
  return line({ kind: "pullqueue#export", version: EXPORT_VERSION, exportedAt });
}

/** A queue with its settings and whether it is paused. */
export function queueLine(info: QueueInfo): string {
  const { kind: _kind, id: _id, stats: _stats, ...settings } = queueToWire(info, "");
  return line({ kind: "queue", ...info.key, ...settings });
}

/** A task. */
export function taskLine(task: TaskRecord): string {
  const { deadLetter } = task;
  return line({
    kind: "task",
    ...task.queue,
    id: task.id,
    named: task.named || undefined,
    tag: task.tag,
    enqueuedAt: String(task.enqueuedAtUs),
    eta: String(task.etaUs),
    retryCount: task.retryCount || undefined,
    uncounted: task.uncounted || undefined,
    givenBack: task.givenBack || undefined,
    expiresAt: task.expiresAtUs === undefined ? undefined : String(task.expiresAtUs),
    traceparent: task.traceparent,
    tracestate: task.tracestate,
    deadLetter:
      deadLetter === undefined
        ? undefined
        : {
            queue: deadLetter.queue,
            id: deadLetter.id,
            reason: deadLetter.reason,
            retryCount: deadLetter.retryCount,
            at: String(deadLetter.atUs),
          },
    payload: encodePayload(task.payload),
  });
}

/** The memory of a finished task. */
export function tombstoneLine(queue: QueueKey, { id, untilUs }: TombstoneRecord): string {
  return line({ kind: "tombstone", ...queue, id, until: String(untilUs) });
}

/** The last line, which shows that the file is whole. */
export function endLine(counts: EndRecord): string {
  return line({ kind: "end", ...counts });
}

/** Reads one line. Throws `invalid_argument` that names the field and what was expected. */
export function readRecord(text: string): ExportRecord {
  const object = readObject(parse(text), "the line");
  switch (object.kind) {
    case "pullqueue#export":
      checkVersion(object);
      return { kind: "header" };
    case "queue":
      return {
        kind: "queue",
        info: {
          key: keyOf(object),
          settings: settingsFromWire(object),
          paused: readBoolean(object, "paused") ?? false,
        },
      };
    case "task":
      return { kind: "task", task: taskOf(object) };
    case "tombstone":
      return {
        kind: "tombstone",
        queue: keyOf(object),
        tombstone: { id: readText(object, "id"), untilUs: integer(object, "until") },
      };
    case "end":
      return {
        kind: "end",
        counts: {
          queues: integer(object, "queues"),
          tasks: integer(object, "tasks"),
          tombstones: integer(object, "tombstones"),
        },
      };
    default:
      throw new QueueError(
        "invalid_argument",
        `kind must be queue, task, tombstone or end, got ${JSON.stringify(object.kind)?.slice(0, 40) ?? "nothing"}`,
      );
  }
}

function taskOf(object: JsonObject): TaskRecord {
  return {
    queue: keyOf(object),
    id: readText(object, "id"),
    named: readBoolean(object, "named") ?? false,
    tag: readString(object, "tag"),
    enqueuedAtUs: integer(object, "enqueuedAt"),
    etaUs: integer(object, "eta"),
    retryCount: readInteger(object, "retryCount") ?? 0,
    uncounted: readInteger(object, "uncounted") ?? 0,
    givenBack: readBoolean(object, "givenBack") ?? false,
    expiresAtUs: readInteger(object, "expiresAt"),
    traceparent: readString(object, "traceparent"),
    tracestate: readString(object, "tracestate"),
    deadLetter: deadLetterOf(object),
    payload: decodePayload(readText(object, "payload"), "payload"),
  };
}

function deadLetterOf(task: JsonObject): TaskRecord["deadLetter"] {
  if (task.deadLetter === undefined) return undefined;
  const object = readObject(task.deadLetter, "deadLetter");
  const reason = readText(object, "reason");
  if (reason !== "retry_limit" && reason !== "retention") {
    throw new QueueError(
      "invalid_argument",
      `deadLetter.reason must be retry_limit or retention, got ${JSON.stringify(reason.slice(0, 40))}`,
    );
  }
  return {
    queue: readText(object, "queue"),
    id: readText(object, "id"),
    reason,
    retryCount: integer(object, "retryCount"),
    atUs: integer(object, "at"),
  };
}

function keyOf(object: JsonObject): QueueKey {
  return { project: readText(object, "project"), queue: readText(object, "queue") };
}

function readText(object: JsonObject, field: string): string {
  return required(readString(object, field), field);
}

function integer(object: JsonObject, field: string): number {
  return required(readInteger(object, field), field);
}

function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new QueueError("invalid_argument", `${field} is missing`);
}

function checkVersion(object: JsonObject): void {
  const version = integer(object, "version");
  if (version === EXPORT_VERSION) return;
  throw new QueueError(
    "invalid_argument",
    `the file has version ${version}, and this command reads ${EXPORT_VERSION}; use the version that wrote it, or a newer one`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QueueError(
      "invalid_argument",
      "the line is no JSON: it is damaged, or the export was interrupted there; export --resume finishes such a file",
      { cause },
    );
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
