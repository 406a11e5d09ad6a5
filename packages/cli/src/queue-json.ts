import type { QueueInfo } from "@pullqueue/core";
import { isoTime } from "./time.js";

/** A queue as `--json` shows it. Times are ISO 8601, absent values are left out. */
export function queueJson({ key, settings, paused, stats }: QueueInfo): object {
  return {
    queue: key.queue,
    project: key.project,
    mode: settings.mode,
    disabled: settings.disabled,
    paused,
    maxLeases: settings.maxLeases,
    deadLetterQueue: settings.deadLetterQueue,
    leasesPerSecond: settings.leasesPerSecond,
    storageBytesMax: settings.storageBytesMax,
    retentionMs: settings.retentionMs,
    tombstoneMs: settings.tombstoneMs,
    ...(stats === undefined
      ? {}
      : {
          totalTasks: stats.totalTasks,
          availableTasks: stats.availableTasks,
          leasedTasks: stats.leasedTasks,
          payloadBytes: stats.payloadBytes,
          oldestEta: stats.oldestEtaUs === undefined ? undefined : isoTime(stats.oldestEtaUs),
          leasedLastMinute: stats.leasedLastMinute,
          leasedLastHour: stats.leasedLastHour,
        }),
  };
}
