import { QueueError } from "./errors.js";
import { type ProjectPrefix, parseFullQueueName, projectWithPrefix } from "./names.js";
import type { QueueInfo, QueueKey, QueueSettings, QueueStats, TagStats } from "./task.js";
import {
  type JsonObject,
  readBoolean,
  readInteger,
  readNumber,
  readObject,
  readOptionalObject,
  readString,
  readStrings,
  required,
} from "./wire-read.js";

/** Queues of the REST API <-> plain data of the store contract; tasks are in wire.ts. Units change in these two alone. */

/** A TaskQueue resource. 64-bit integers are strings, 32-bit ones numbers. */
export interface WireTaskQueue {
  readonly kind: "taskqueues#taskqueue";
  readonly id: string;
  readonly maxLeases?: number;
  readonly stats?: {
    readonly totalTasks: number;
    readonly oldestTask: string;
    readonly leasedLastMinute: string;
    readonly leasedLastHour: string;
    /** Addition: tasks that a lease could take now. */
    readonly availableTasks: number;
    /** Addition: tasks that are held by a lease now. */
    readonly leasedTasks: number;
    /** Addition: bytes of all payloads together. */
    readonly payloadBytes: string;
  };
  readonly acl?: { readonly consumerEmails: readonly string[]; readonly producerEmails: readonly string[] };
  /** Addition: present when the queue is a push queue. */
  readonly mode?: "push";
  /** Addition: present when the queue hands out nothing because it is not configured any more. */
  readonly disabled?: true;
  /** Addition: present when the queue hands out nothing because somebody has paused it. */
  readonly paused?: true;
  /** Addition: the short name of the queue that gets tasks which are given up; absent when they are dropped. */
  readonly deadLetterQueue?: string;
  /** Addition: most lease calls a second; absent when there is no limit. */
  readonly leasesPerSecond?: number;
  /** Addition: payload bytes that the queue may hold; absent when there is no limit. */
  readonly storageBytesMax?: string;
  /** Addition: how long a task may stay, in milliseconds; absent: for ever. */
  readonly retentionMs?: string;
  /** Addition: how long chosen ids stay taken, in milliseconds; absent: as the server was told. */
  readonly tombstoneMs?: string;
}

/** The tasks of one tag, as `taskqueues.tagStats` counts them. */
export interface WireTagStats {
  /** Absent for the tasks without a tag. */
  readonly tag?: string;
  readonly totalTasks: number;
  readonly availableTasks: number;
  /** In seconds since the epoch, as in a queue's stats. */
  readonly oldestTask: string;
}

/** The full name of a queue, as `id` and `queueName` show it: `projects/s~app/taskqueues/name`. */
export function queueNameToWire(queue: QueueKey, prefix: ProjectPrefix): string {
  return `projects/${projectWithPrefix(queue.project, prefix)}/taskqueues/${queue.queue}`;
}

/** A queue as a resource. */
export function queueToWire(info: QueueInfo, prefix: ProjectPrefix): WireTaskQueue {
  const { settings, stats, paused } = info;
  return {
    kind: "taskqueues#taskqueue",
    id: queueNameToWire(info.key, prefix),
    ...(settings.maxLeases === undefined ? {} : { maxLeases: settings.maxLeases }),
    ...(stats === undefined ? {} : { stats: statsToWire(stats) }),
    ...(settings.acl === undefined
      ? {}
      : { acl: { consumerEmails: settings.acl.userEmails, producerEmails: settings.acl.writerEmails } }),
    ...(settings.mode === "push" ? { mode: "push" } : {}),
    ...(settings.disabled ? { disabled: true } : {}),
    ...(paused ? { paused: true } : {}),
    ...lifeToWire(settings),
  };
}

/** A TaskQueue resource of a server as data. */
export function queueFromWire(json: unknown, project: string): QueueInfo {
  const object = readObject(json, "taskqueue");
  const key = { project, queue: parseFullQueueName(required(readString(object, "id"), "id")).queue };
  const stats = readOptionalObject(object, "stats");
  return {
    key,
    settings: settingsFromWire(object),
    paused: readBoolean(object, "paused") ?? false,
    ...(stats === undefined ? {} : { stats: statsFromWire(stats) }),
  };
}

/** The settings in a TaskQueue resource, as `taskqueues.insert` and `taskqueues.update` take them. */
export function settingsFromWire(object: JsonObject): QueueSettings {
  const acl = readOptionalObject(object, "acl");
  const mode = readString(object, "mode") ?? "pull";
  if (mode !== "pull" && mode !== "push") {
    throw new QueueError("invalid_argument", `mode must be "pull" or "push", got ${JSON.stringify(mode)}`, {
      location: "mode",
    });
  }
  return {
    mode,
    maxLeases: readInteger(object, "maxLeases"),
    acl:
      acl === undefined
        ? undefined
        : {
            userEmails: readStrings(acl, "consumerEmails"),
            writerEmails: readStrings(acl, "producerEmails"),
          },
    disabled: readBoolean(object, "disabled") ?? false,
    deadLetterQueue: readString(object, "deadLetterQueue"),
    leasesPerSecond: readNumber(object, "leasesPerSecond"),
    storageBytesMax: readInteger(object, "storageBytesMax"),
    retentionMs: readInteger(object, "retentionMs"),
    tombstoneMs: readInteger(object, "tombstoneMs"),
  };
}

/** The counts of one tag as a resource. */
export function tagStatsToWire({ tag, totalTasks, availableTasks, oldestEtaUs }: TagStats): WireTagStats {
  const counts = { totalTasks, availableTasks, oldestTask: secondsOf(oldestEtaUs) };
  return tag === undefined ? counts : { tag, ...counts };
}

/** The same as data. */
export function tagStatsFromWire(json: unknown): TagStats {
  const object = readObject(json, "item");
  return {
    tag: readString(object, "tag"),
    totalTasks: readInteger(object, "totalTasks") ?? 0,
    availableTasks: readInteger(object, "availableTasks") ?? 0,
    oldestEtaUs: oldestEtaUs(object),
  };
}

function lifeToWire(settings: QueueSettings): Partial<WireTaskQueue> {
  const { deadLetterQueue, leasesPerSecond, storageBytesMax, retentionMs, tombstoneMs } = settings;
  return {
    ...(deadLetterQueue === undefined ? {} : { deadLetterQueue }),
    ...(leasesPerSecond === undefined ? {} : { leasesPerSecond }),
    ...(storageBytesMax === undefined ? {} : { storageBytesMax: String(storageBytesMax) }),
    ...(retentionMs === undefined ? {} : { retentionMs: String(retentionMs) }),
    ...(tombstoneMs === undefined ? {} : { tombstoneMs: String(tombstoneMs) }),
  };
}

function statsToWire(stats: QueueStats): NonNullable<WireTaskQueue["stats"]> {
  return {
    totalTasks: stats.totalTasks,
    oldestTask: secondsOf(stats.oldestEtaUs),
    leasedLastMinute: String(stats.leasedLastMinute),
    leasedLastHour: String(stats.leasedLastHour),
    availableTasks: stats.availableTasks,
    leasedTasks: stats.leasedTasks,
    payloadBytes: String(stats.payloadBytes),
  };
}

function statsFromWire(object: JsonObject): QueueStats {
  const totalTasks = readInteger(object, "totalTasks") ?? 0;
  return {
    totalTasks,
    availableTasks: readInteger(object, "availableTasks") ?? totalTasks,
    leasedTasks: readInteger(object, "leasedTasks") ?? 0,
    oldestEtaUs: oldestEtaUs(object),
    leasedLastMinute: readInteger(object, "leasedLastMinute") ?? 0,
    leasedLastHour: readInteger(object, "leasedLastHour") ?? 0,
    payloadBytes: readInteger(object, "payloadBytes") ?? 0,
  };
}

/** `oldestTask` is the one time in seconds: Google documented it so. 0 when there is no task. */
function secondsOf(us: number | undefined): string {
  return String(Math.floor((us ?? 0) / 1_000_000));
}

function oldestEtaUs(object: JsonObject): number | undefined {
  const seconds = readInteger(object, "oldestTask") ?? 0;
  return seconds === 0 ? undefined : seconds * 1_000_000;
}
