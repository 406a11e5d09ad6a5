import { checkQueueNameRule, limits, QueueError, type QueueSettings } from "@pullqueue/core";
import { isEmail } from "./email.js";
import { LIFE_KEYS, readLifeSettings } from "./queue-yaml-limits.js";
import type { YamlField, YamlMapping, YamlReader } from "./yaml-reader.js";

/** One entry of queue.yaml's list. */
export interface QueueEntry {
  readonly name: string;
  readonly line: number;
  readonly settings: QueueSettings;
  /** Where the entry names its dead-letter queue. */
  readonly deadLetterLine: number | undefined;
}

/** Keys for the delivery rate of push queues, which nobody pushes here. */
const PUSH_KEYS = ["rate", "bucket_size", "max_concurrent_requests", "target"];
const ENTRY_KEYS = ["name", "mode", "retry_parameters", "acl", ...LIFE_KEYS, ...PUSH_KEYS];

const PUSH_RETRY_KEYS = ["task_age_limit", "min_backoff_seconds", "max_backoff_seconds", "max_doublings"];
const RETRY_KEYS = ["task_retry_limit", ...PUSH_RETRY_KEYS];

const ACL_KEYS = ["user_email", "writer_email"];

/** Reads an entry; undefined when it has no usable name, which has been complained of. */
export function readQueueEntry(reader: YamlReader, node: unknown): QueueEntry | undefined {
  const line = reader.lineOf(node, 1);
  const entry = reader.mapping(node, "an entry of queue", line);
  const name = readName(reader, entry.get("name"), line);
  const what = name === undefined ? "an entry of queue" : `the queue "${name}"`;
  reader.refuseUnknown(entry, ENTRY_KEYS, what);
  const mode = readMode(reader, entry.get("mode"), what);
  if (mode === "pull") refusePushKeys(reader, entry, PUSH_KEYS);
  else refuseLifeKeys(reader, entry);
  const maxLeases = readRetryLimit(reader, entry.get("retry_parameters"), mode);
  const acl = readAcl(reader, entry.get("acl"), what);
  const life = readLifeSettings(reader, mode === "pull" ? entry : new Map());
  if (name === undefined) return undefined;
  const settings = { mode, maxLeases, acl, disabled: false, ...life };
  return { name, line, settings, deadLetterLine: entry.get("dead_letter_queue")?.line };
}

function readName(reader: YamlReader, field: YamlField | undefined, line: number): string | undefined {
  if (field === undefined) {
    reader.complain(line, "each queue needs a name");
    return undefined;
  }
  const name = reader.text(field, "name");
  if (name === undefined) return undefined;
  try {
    checkQueueNameRule(name);
  } catch (error) {
    reader.complain(field.line, QueueError.from(error).message);
    return undefined;
  }
  if (!limits.PLAIN_QUEUE_NAME_PATTERN.test(name)) {
    reader.warn(field.line, `the name "${name}" works here, but App Engine would refuse it`);
  }
  return name;
}

function readMode(reader: YamlReader, field: YamlField | undefined, what: string): "pull" | "push" {
  // As on App Engine, what does not say that it is a pull queue is a push queue.
  if (field === undefined) return "push";
  const mode = reader.text(field, "mode");
  if (mode === "pull" || mode === "push") return mode;
  if (mode !== undefined) reader.complain(field.line, `mode of ${what} must be pull or push, got "${mode}"`);
  return "pull";
}

function readRetryLimit(
  reader: YamlReader,
  field: YamlField | undefined,
  mode: "pull" | "push",
): number | undefined {
  if (field === undefined) return undefined;
  const parameters = reader.mapping(field.value, "retry_parameters", field.line);
  reader.refuseUnknown(parameters, RETRY_KEYS, "retry_parameters");
  if (mode === "pull") refusePushKeys(reader, parameters, PUSH_RETRY_KEYS);
  const limit = parameters.get("task_retry_limit");
  if (limit === undefined) return undefined;
  const value = reader.integer(limit, "task_retry_limit");
  if (value === undefined || mode === "push") return undefined;
  if (value >= 1 && value <= limits.MAX_LEASES_MAX) return value;
  reader.complain(
    limit.line,
    value === 0
      ? "task_retry_limit: 0 would drop every task before its first lease; leave the key out for no limit"
      : `task_retry_limit must be from 1 to ${limits.MAX_LEASES_MAX}, got ${value}`,
  );
  return undefined;
}

function refusePushKeys(reader: YamlReader, mapping: YamlMapping, keys: readonly string[]): void {
  for (const key of keys) {
    const field = mapping.get(key);
    if (field === undefined) continue;
    const advice = key === "rate" ? "; to limit how often it is leased from, use lease_rate" : "";
    reader.complain(field.line, `${key} must not be specified for a pull queue${advice}`);
  }
}

function refuseLifeKeys(reader: YamlReader, entry: YamlMapping): void {
  for (const key of LIFE_KEYS) {
    const field = entry.get(key);
    if (field !== undefined) reader.complain(field.line, `${key} is for pull queues: say mode: pull`);
  }
}

function readAcl(reader: YamlReader, field: YamlField | undefined, what: string): QueueSettings["acl"] {
  if (field === undefined) return undefined;
  const emails = { user_email: [] as string[], writer_email: [] as string[] };
  for (const node of reader.sequence(field.value, "acl", field.line)) {
    const line = reader.lineOf(node, field.line);
    const entry = reader.mapping(node, "an entry of acl", line);
    reader.refuseUnknown(entry, ACL_KEYS, "acl");
    for (const key of ["user_email", "writer_email"] as const) {
      const email = readEmail(reader, entry.get(key), key);
      if (email !== undefined) emails[key].push(email);
    }
  }
  const longest = Math.max(emails.user_email.length, emails.writer_email.length);
  if (longest > limits.ACL_EMAILS_MAX) {
    reader.complain(
      field.line,
      `acl of ${what} may name at most ${limits.ACL_EMAILS_MAX} addresses of a kind`,
    );
  }
  return { userEmails: emails.user_email, writerEmails: emails.writer_email };
}

function readEmail(reader: YamlReader, field: YamlField | undefined, key: string): string | undefined {
  if (field === undefined) return undefined;
  const email = reader.text(field, key);
  if (email === undefined) return undefined;
  if (isEmail(email)) return email;
  reader.complain(field.line, `${key} must be an e-mail address, got ${JSON.stringify(email.slice(0, 100))}`);
  return undefined;
}
