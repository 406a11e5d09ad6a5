import { limits, type QueueSettings } from "@pullqueue/core";
import type { YamlField, YamlMapping, YamlReader } from "./yaml-reader.js";

/** What an entry of queue.yaml can say beyond Google's keys, in Google's notation: sizes, rates and ages. */

/** The settings that these keys are about. */
export type LifeSettings = Pick<
  QueueSettings,
  "deadLetterQueue" | "leasesPerSecond" | "storageBytesMax" | "retentionMs" | "tombstoneMs"
>;

/** Keys of an entry that App Engine did not have; for pull queues only. */
export const LIFE_KEYS = ["dead_letter_queue", "lease_rate", "storage_limit", "retention", "tombstone"];

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNIT_BYTES = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;

/** Google's pattern for `rate`, without its 0. */
const RATE_PATTERN = /^([0-9]+(?:\.[0-9]*)?)\/([smhd])$/;

/** Google's pattern for `total_storage_limit`: a number of bytes, with K, M, G and T as powers of 1024. */
const STORAGE_PATTERN = /^([0-9]+(?:\.[0-9]*)?)([BKMGT]?)$/;

/** Google's pattern for `task_age_limit`. */
const AGE_PATTERN = /^([0-9]+(?:\.[0-9]*)?)([smhd])$/;

/** Reads these keys of a pull queue's entry. What is wrong is complained of and undefined. */
export function readLifeSettings(reader: YamlReader, entry: YamlMapping): LifeSettings {
  const read = <T>(key: string, readField: (reader: YamlReader, field: YamlField, key: string) => T) => {
    const field = entry.get(key);
    return field === undefined ? undefined : readField(reader, field, key);
  };
  return {
    // Whether the queue is there, the whole file tells.
    deadLetterQueue: read("dead_letter_queue", (_, field, key) => reader.text(field, key)),
    leasesPerSecond: read("lease_rate", readRate),
    storageBytesMax: read("storage_limit", readStorageLimit),
    retentionMs: read("retention", ageFrom(1)),
    tombstoneMs: read("tombstone", ageFrom(0)),
  };
}

/** A number of bytes such as `120M`. */
export function readStorageLimit(reader: YamlReader, field: YamlField, key: string): number | undefined {
  const text = reader.text(field, key);
  if (text === undefined) return undefined;
  const [, number, unit] = STORAGE_PATTERN.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * UNIT_BYTES[(unit || "B") as keyof typeof UNIT_BYTES]);
  if (Number.isSafeInteger(bytes)) return bytes;
  reader.complain(field.line, `${key} must be a size such as 120M, got "${text}"`);
  return undefined;
}

function readRate(reader: YamlReader, field: YamlField, key: string): number | undefined {
  const text = reader.text(field, key);
  if (text === undefined) return undefined;
  const [, number, unit] = RATE_PATTERN.exec(text) ?? [];
  const perSecond = (Number(number) * UNIT_MS.s) / UNIT_MS[unit as keyof typeof UNIT_MS];
  if (perSecond >= limits.LEASES_PER_SECOND_MIN && perSecond <= limits.LEASES_PER_SECOND_MAX) {
    return perSecond;
  }
  const advice = /^0(\.0*)?(\/|$)/.test(text)
    ? "; to hand out nothing, pause the queue (pullqueue pause)"
    : "";
  reader.complain(
    field.line,
    `${key} must be a rate such as 10/s (s, m, h or d), from 1/h to ${limits.LEASES_PER_SECOND_MAX}/s, got "${text}"${advice}`,
  );
  return undefined;
}

/** Reads an age such as `14d`, of at least so many milliseconds. */
function ageFrom(minimumMs: number) {
  return (reader: YamlReader, field: YamlField, key: string): number | undefined => {
    const text = reader.text(field, key);
    if (text === undefined) return undefined;
    const [, number, unit] = AGE_PATTERN.exec(text) ?? [];
    const ageMs = Math.round(Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]);
    if (ageMs >= minimumMs && ageMs <= limits.QUEUE_AGE_MS_MAX) return ageMs;
    const most = `${limits.QUEUE_AGE_MS_MAX / UNIT_MS.d}d`;
    reader.complain(
      field.line,
      `${key} must be an age such as 30s, 10m, 12h or 14d${minimumMs > 0 ? ", above 0" : ""} and at most ${most}, got "${text}"`,
    );
    return undefined;
  };
}
